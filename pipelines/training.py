"""The training pipeline: raw data -> a champion (or a canary) at the endpoint, a drift page and a report."""

from typing import Any

from kfp import dsl

from components.deploy import deploy
from components.evaluate import evaluate
from components.monitor import monitor
from components.push_embeddings import push_embeddings
from components.refit import refit
from components.register import register
from components.train import train
from pipelines.prepared import Prepared, prepared
from pipelines.resources import GpuPool, configured

STEPS = ["build graph", "train", "evaluate", "register", "monitor"]


def _serve(ready: Prepared, pool: GpuPool, graph: Any, model: Any, version: Any, canary_percent: Any) -> None:
    """Add the steps that push a version's vectors and deploy it; ``model`` is what serves."""
    own, run = ready.spec, ready.run
    pushed = push_embeddings(spec=own, **run, tables=ready.tables, graph=graph, model=model, version=version)
    pool.may_run(configured(pushed))
    deployed = deploy(spec=own, **run, training_set=ready.training_set, version=version, canary_percent=canary_percent)
    configured(deployed.after(pushed))


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
) -> None:
    """Raw logs to a ranked slate at an endpoint.

    ``spec`` is the spec's address, ``product`` its name (``pipelines.catalogue.arguments``).

    ``accelerator``, ``accelerator_count``, ``node_selector`` and ``tolerations`` choose the GPU pool of `train` and of
    `refit`, a step that runs only where the spec's ``gate.refit`` is on and the gate's verdict is promote. `evaluate`
    and `push_embeddings` have one GPU of it where their setting ``gpu`` says so (``pipelines.settings``).

    ``trainer``: the nodes of `train` and `refit` where they train as TrainJobs (``components.train_job.Nodes``).

    ``canary_percent``: 0 = a version that passes the gate becomes the champion; 1 to 99 = its share as a canary.
    """
    pool = GpuPool(accelerator, node_selector, tolerations)
    with prepared(spec, product, services, data, STEPS) as ready:
        own, tables, training_set, (graph, digest) = ready.spec, ready.tables, ready.training_set, ready.graph()
        # Not named like the parameter: KFP adds an input of that name to a task with an accelerator.
        where = {"gpus": accelerator_count, "trainer": trainer}
        trained = configured(train(spec=own, **ready.run, graph=graph, inputs=digest, **where), cached=True)
        model = pool.trains(trained, accelerator_count).outputs["model"]
        evaluated = evaluate(spec=own, **ready.run, tables=tables, training_set=training_set, graph=graph, model=model)
        evaluation = pool.may_run(configured(evaluated)).outputs["evaluation"]
        inputs = {"tables": tables, "training_set": training_set, "graph": graph, "model": model}
        registered = configured(register(spec=own, **ready.run, evaluation=evaluation, **inputs))
        with dsl.If(registered.outputs["Output"] == "promote", name="gate-passed"):
            _serve(ready, pool, graph, model, registered.outputs["version"], canary_percent)
        with dsl.If(registered.outputs["Output"] == "refit", name="gate-passed-before-refit"):
            refit_inputs = {"graph": graph, "model": model, "evaluation": evaluation, **where}
            refitted = configured(refit(spec=own, **ready.run, **refit_inputs))
            pool.trains(refitted, accelerator_count)
            serving, check = refitted.outputs["serving"], refitted.outputs["check"]
            again = register(spec=own, **ready.run, evaluation=evaluation, **inputs, serving=serving, check=check)
            _serve(ready, pool, graph, serving, configured(again).outputs["version"], canary_percent)
        watched = monitor(spec=own, **ready.run, training_set=training_set, evaluation=evaluation)
        configured(watched.after(registered))
