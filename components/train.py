"""Component: temporal graph -> trained, calibrated model."""

from kfp import dsl

from components.image import training_component


@training_component
def train(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    graph: dsl.Input[dsl.Dataset],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    inputs: str = "",
) -> None:
    """Fit on train with early stopping on validate, then on both; uses a GPU if there is one.

    Cached: ``inputs`` is the digest of spec and graph.
    """
    from pathlib import Path

    from components.step import Step
    from models.graph.store import TemporalGraph
    from models.storage import join
    from models.training.fit import fit

    with Step("train", spec, services) as step:
        temporal_graph = TemporalGraph.load(Path(graph.path))
        # Outside this run's artifacts, so that the next run resumes a training that was killed.
        checkpoint = join(step.services.storage, "checkpoints", step.spec.name)
        summary = fit(
            temporal_graph, step.spec.model, step.spec.training, Path(model.path), None, step.ledger.series, checkpoint
        )
        model.metadata["epochs"] = summary["epochs"]
        for name, value in summary.items():
            if isinstance(value, int | float):
                metrics.log_metric(name, value)
