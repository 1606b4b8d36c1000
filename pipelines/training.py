"""The training pipeline: raw data -> a champion (or a canary) at the endpoint, a drift page and a report."""

from kfp import dsl

from components.act_permission import permission
from components.monitor import monitor
from pipelines.prepared import COMMON, prepare, reported
from pipelines.resources import GpuPool, configured
from pipelines.trained import train_and_serve

STEPS = ["permission", *COMMON, "build graph", "train", "fit trees", "evaluate", "register", "monitor"]


def training(
    spec: str,
    product: str,
    services: dict,
    data: str = "",
    accelerator: str = "nvidia.com/gpu",
    accelerator_count: str = "0",
    node_selector: dict = {},  # noqa: B006 - the default of a KFP parameter, never mutated
    tolerations: list = [],  # noqa: B006
    canary_percent: int = 0,
    trainer: dict = {},  # noqa: B006
    ignore_freeze: bool = False,
) -> None:
    """Raw logs to a ranked slate at an endpoint.

    ``spec`` is the spec's address, ``product`` its name (``pipelines.catalogue.arguments``).

    ``accelerator``, ``accelerator_count``, ``node_selector`` and ``tolerations`` choose the GPU pool of `train` and of
    `refit`, a step that runs only where the spec's ``gate.refit`` is on and the gate's verdict is promote. `evaluate`
    and `push_embeddings` have one GPU of it where their setting ``gpu`` says so (``pipelines.settings``).

    ``trainer``: the nodes of `train` and `refit` where they train as TrainJobs (``components.train_job.Nodes``).

    ``canary_percent``: 0 = a version that passes the gate becomes the champion; 1 to 99 = its share as a canary.

    While the newest verdict of the monitors is a data fault, the run ends after its first step, unless
    ``ignore_freeze`` is given.
    """
    pool = GpuPool(accelerator, node_selector, tolerations)
    with reported(spec, product, services, STEPS) as own:
        allowed = configured(permission(spec=own, services=services, ignore_freeze=ignore_freeze))
        with dsl.If(allowed.outputs["Output"] == "go", name="not-frozen"):
            ready = prepare(own, services, data)
            registered, evaluation = train_and_serve(ready, pool, accelerator_count, trainer, canary_percent)
            watched = monitor(
                spec=ready.spec,
                **ready.run,
                tables=ready.tables,
                training_set=ready.training_set,
                evaluation=evaluation,
            )
            configured(watched.after(registered))
