"""The monitoring pipeline: new data and what was served -> the verdict on the champion."""

from components.evaluate import evaluate
from components.monitor import monitor
from pipelines.prepared import prepared
from pipelines.resources import GpuPool, configured

STEPS = ["build graph", "evaluate", "monitor"]


def monitoring(
    spec: str,
    product: str,
    services: dict,
    data: str = "",
    accelerator: str = "nvidia.com/gpu",
    node_selector: dict = {},  # noqa: B006 - the default of a KFP parameter, never mutated
    tolerations: list = [],  # noqa: B006
) -> None:
    """Is the champion still good enough?

    Measure and judge only: nothing is trained, registered or deployed; the pipeline `act` acts on the verdict.
    `evaluate` has one GPU of the pool that ``accelerator``, ``node_selector`` and ``tolerations`` choose where its
    setting ``gpu`` says so.
    """
    pool = GpuPool(accelerator, node_selector, tolerations)
    with prepared(spec, product, services, data, STEPS, from_champion=True) as ready:
        graph, _ = ready.graph()
        evaluated = evaluate(
            spec=ready.spec,
            **ready.run,
            tables=ready.tables,
            training_set=ready.training_set,
            graph=graph,
            model=ready.model,
        )
        evaluation = pool.may_run(configured(evaluated)).outputs["evaluation"]
        watched = monitor(
            spec=ready.spec,
            **ready.run,
            tables=ready.tables,
            training_set=ready.training_set,
            evaluation=evaluation,
        )
        configured(watched)
