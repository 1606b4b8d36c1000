"""Component: evaluate the candidate along with the champion, the floor and, in simulated worlds, the oracle."""

from kfp import dsl

from components.image import component


@component
def evaluate(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    training_set: dsl.Input[dsl.Dataset],
    graph: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    roc: dsl.Output[dsl.ClassificationMetrics],
) -> None:
    """Score the gate and test windows with every scorer, the gate window also with earlier champions.

    Uses a GPU if there is one.

    Of the champion and of earlier ones, the weights that their own gate judged are scored, not those of a refit.
    """
    import tempfile
    from functools import partial
    from pathlib import Path

    from components.step import Step, say

    with Step("evaluate", spec, services) as step, tempfile.TemporaryDirectory() as scratch:
        from components.finite import log_finite
        from components.recovered import recover_graph
        from components.services import UNTRAINED
        from monitoring.earlier import score_earlier
        from monitoring.evaluation import evaluate, roc_points
        from serving.versions.bundle import judged_model
        from serving.versions.registry import Registry, model_name

        recover_graph(step.ledger, Path(graph.path))
        registry, name = Registry(step.services.tracking_uri), model_name(step.spec)
        version = registry.champion(name)

        def judged(number: str) -> Path:
            return judged_model(registry.download(name, number, Path(scratch) / number))

        champion = (version, judged(version)) if version else None
        results = evaluate(
            step.spec,
            Path(graph.path),
            Path(training_set.path),
            Path(tables.path),
            Path(model.path),
            champion,
            Path(evaluation.path),
            models_only=step.services.pipeline in UNTRAINED,
        )

        earlier = [number for number in registry.promoted(name, step.spec.gate.best_of) if number != version]
        fetch = {number: partial(judged, number) for number in earlier}
        score_earlier(step.spec, Path(graph.path), Path(evaluation.path), fetch, registry.best(name), say)
        headline = results["test"]["candidate"][step.spec.primary_task]
        step.ledger.metrics({f"test_{name}": value for name, value in headline.items() if isinstance(value, float)})
        step.ledger.artifact(Path(evaluation.path) / "metrics.json", "metrics.json")
        step.ledger.artifact(Path(evaluation.path) / "predictions.parquet", "predictions.parquet")
        log_finite(metrics, {name: value for name, value in headline.items() if isinstance(value, float)})
        roc.log_roc_curve(*roc_points(Path(evaluation.path), step.spec.primary_task))
