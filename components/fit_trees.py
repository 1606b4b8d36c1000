"""Component: trained network -> product, with boosted trees beside it where the spec says so."""

from kfp import dsl

from components.image import component


@component
def fit_trees(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    graph: dsl.Input[dsl.Dataset],
    network: dsl.Input[dsl.Model],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    inputs: str = "",
) -> None:
    """Fit the trees of ``model.trees`` on a CPU, and the calibration of both; without them the network is the product.

    Cached: ``inputs`` is the digest of spec and network.
    """
    from pathlib import Path

    from components.step import Step, say

    with Step("fit trees", spec, services) as step:
        from models.boosting.fit import add_trees
        from models.graph.store import TemporalGraph

        found = add_trees(TemporalGraph.load(Path(graph.path)), Path(network.path), step.spec.model, Path(model.path))
        model.metadata.update(network.metadata)
        if found is None:
            return
        for task, trees in found.tasks.items():
            auc, weight = trees.trials[0]["validate_auc"] if trees.trials else None, found.weights[task]
            of_trees = "-" if auc is None else f"{auc:.4f}"
            say(f"  {task}: {trees.rounds} rounds, AUC of the trees on validate {of_trees}, weight {weight}")
            metrics.log_metric(f"rounds_{task}", trees.rounds)
            metrics.log_metric(f"weight_{task}", weight)
