"""The training pipeline: raw data -> a champion (or a canary) at the endpoint, a drift page and a report."""

from kfp import dsl

from components.deploy import deploy
from components.evaluate import evaluate
from components.monitor import monitor
from components.push_embeddings import push_embeddings
from components.register import register
from components.train import train
from pipelines.prepared import prepared
from pipelines.resources import heavy, light, on_gpu_pool, stateful


@dsl.pipeline(name="heliograph-training", description="Raw logs to a ranked slate at an endpoint.")
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
) -> None:
    """``spec`` is the spec's address, ``product`` its name (``pipelines.catalogue.arguments``).

    ``accelerator``, ``accelerator_count``, ``node_selector`` and ``tolerations`` choose the GPU pool of `train`.

    ``canary_percent``: 0 = a version that passes the gate becomes the champion; 1 to 99 = its share as a canary.
    """
    with prepared(spec, product, services, data) as ready:
        own, tables, training_set, graph = ready.spec, ready.tables, ready.training_set, ready.graph()
        trained = heavy(train(spec=own, **ready.run, graph=graph))
        on_gpu_pool(trained, accelerator, accelerator_count, node_selector, tolerations)
        model = trained.outputs["model"]
        evaluated = evaluate(spec=own, **ready.run, tables=tables, training_set=training_set, graph=graph, model=model)
        evaluation = heavy(stateful(evaluated)).outputs["evaluation"]
        registered = register(
            spec=own,
            **ready.run,
            tables=tables,
            training_set=training_set,
            graph=graph,
            model=model,
            evaluation=evaluation,
        )
        light(stateful(registered))
        with dsl.If(registered.outputs["Output"] == "promote", name="gate-passed"):
            version = registered.outputs["version"]
            pushed = push_embeddings(spec=own, **ready.run, tables=tables, graph=graph, model=model, version=version)
            heavy(stateful(pushed))
            deployed = deploy(
                spec=own,
                **ready.run,
                training_set=training_set,
                version=version,
                canary_percent=canary_percent,
            )
            light(stateful(deployed.after(pushed)))
        watched = monitor(spec=own, **ready.run, training_set=training_set, evaluation=evaluation)
        light(stateful(watched.after(registered)))
