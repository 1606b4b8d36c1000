"""The pipeline that acts on the newest verdict of the monitors: one branch for each action."""

from kfp import dsl

from components.act_decide import decide
from components.act_recalibrate import recalibrate
from components.act_roll_back import roll_back
from components.deploy import deploy
from pipelines.prepared import prepare, reported
from pipelines.resources import GpuPool, configured
from pipelines.trained import serve, train_and_serve

STEPS = ["decide"]


def act(
    spec: str,
    product: str,
    services: dict,
    data: str = "",
    accelerator: str = "nvidia.com/gpu",
    accelerator_count: str = "0",
    node_selector: dict = {},  # noqa: B006 - the default of a KFP parameter, never mutated
    tolerations: list = [],  # noqa: B006
    trainer: dict = {},  # noqa: B006
    mode: str = "",
) -> None:
    """Do what the newest verdict asks for, at most once.

    ``mode``: off, dry_run or on; empty: the spec's ``monitoring.act``. The other parameters are those of `training`: a
    retraining has its steps, and its version gets the share ``monitoring.canary_percent`` of the traffic. The branch
    `deploy` is the rest of a retraining that was killed after its version had been registered.
    """
    pool = GpuPool(accelerator, node_selector, tolerations)
    with reported(spec, product, services, STEPS) as own:
        decided = configured(decide(spec=own, services=services, mode=mode))
        action = decided.outputs["Output"]
        with dsl.If(action == "roll_back", name="roll-back"):
            configured(roll_back(spec=own, services=services))
        with dsl.If(action == "recalibrate", name="recalibrate"):
            ready = prepare(own, services, data)
            fitted = configured(recalibrate(spec=ready.spec, **ready.run, tables=ready.tables))
            with dsl.If(fitted.outputs["Output"] == "promote", name="calibration-passed"):
                version = fitted.outputs["version"]
                configured(deploy(spec=ready.spec, **ready.run, training_set=ready.training_set, version=version))
        with dsl.If(action == "retrain", name="retrain"):
            ready = prepare(own, services, data)
            train_and_serve(ready, pool, accelerator_count, trainer, -1)
        with dsl.If(action == "deploy", name="deploy"):
            ready = prepare(own, services, data, decided.outputs["version"])
            graph, _ = ready.graph()
            serve(ready, pool, graph, ready.model, ready.version, -1)
