"""The steps from prepared data to a version that serves, of every pipeline that trains."""

from typing import Any

from kfp import dsl

from components.deploy import deploy
from components.evaluate import evaluate
from components.fit_trees import fit_trees
from components.push_embeddings import push_embeddings
from components.refit import refit
from components.register import register
from components.train import train
from pipelines.prepared import Prepared
from pipelines.resources import GpuPool, configured


def train_and_serve(
    ready: Prepared, pool: GpuPool, accelerator_count: Any, trainer: Any, canary_percent: Any
) -> tuple[Any, Any]:
    """Add the steps; return the task that registers, and the evaluation.

    The arguments are parameters of the pipeline `training`.
    """
    own, tables, training_set, (graph, digest) = ready.spec, ready.tables, ready.training_set, ready.graph()
    # Not named like the parameter: KFP adds an input of that name to a task with an accelerator.
    where = {"gpus": accelerator_count, "trainer": trainer}
    trained = configured(train(spec=own, **ready.run, graph=graph, inputs=digest, **where), cached=True)
    pool.trains(trained, accelerator_count)
    model = product_of(trained, spec=own, **ready.run, graph=graph)
    evaluated = evaluate(spec=own, **ready.run, tables=tables, training_set=training_set, graph=graph, model=model)
    evaluation = pool.may_run(configured(evaluated)).outputs["evaluation"]
    inputs = {"tables": tables, "training_set": training_set, "graph": graph, "model": model}
    registered = configured(register(spec=own, **ready.run, evaluation=evaluation, **inputs))
    with dsl.If(registered.outputs["Output"] == "promote", name="gate-passed"):
        serve(ready, pool, graph, model, registered.outputs["version"], canary_percent)
    with dsl.If(registered.outputs["Output"] == "refit", name="gate-passed-before-refit"):
        refit_inputs = {"graph": graph, "model": model, "evaluation": evaluation, **where}
        refitted = configured(refit(spec=own, **ready.run, **refit_inputs))
        pool.trains(refitted, accelerator_count)
        serving, check = refitted.outputs["serving"], refitted.outputs["check"]
        again = register(spec=own, **ready.run, evaluation=evaluation, **inputs, serving=serving, check=check)
        serve(ready, pool, graph, serving, configured(again).outputs["version"], canary_percent)
    return registered, evaluation


def product_of(trained: Any, **given: Any) -> Any:
    """Add the step that fits the trees beside a trained network; return the model."""
    fitted = fit_trees(network=trained.outputs["model"], inputs=trained.outputs["digest"], **given)
    return configured(fitted, cached=True).outputs["model"]


def serve(ready: Prepared, pool: GpuPool, graph: Any, model: Any, version: Any, canary_percent: Any) -> None:
    """Add the steps that push a version's vectors and deploy it; ``model`` is what serves."""
    own, run = ready.spec, ready.run
    pushed = push_embeddings(spec=own, **run, tables=ready.tables, graph=graph, model=model, version=version)
    pool.may_run(configured(pushed))
    deployed = deploy(spec=own, **run, training_set=ready.training_set, version=version, canary_percent=canary_percent)
    configured(deployed.after(pushed))
