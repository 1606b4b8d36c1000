"""The training pipeline: raw data -> a champion (or a canary) at the endpoint, a drift page and a report."""

from kfp import dsl

from components.build_graph import build_graph
from components.deploy import deploy
from components.evaluate import evaluate
from components.ingest import ingest
from components.materialize import materialize
from components.monitor import monitor
from components.push_embeddings import push_embeddings
from components.register import register
from components.report import report
from components.retrieve import retrieve
from components.train import train
from pipelines.resources import heavy, imported, light, on_gpu_pool, stateful


@dsl.pipeline(name="heliograph-training", description="Raw logs to a ranked slate at an endpoint.")
def training(
    spec: str,
    product: str,
    services: dict,
    data: str = "",
    accelerator: str = "nvidia.com/gpu",
    accelerator_count: str = "0",
    node_selector: dict = {},  # noqa: B006 - a KFP parameter's default, never changed
    tolerations: list = [],  # noqa: B006
    canary_percent: int = 0,
) -> None:
    """``spec`` is its address, ``product`` its name (``pipelines.catalogue.arguments``).

    ``accelerator``, ``accelerator_count``, ``node_selector`` and ``tolerations`` choose the GPU pool of `train`.

    ``canary_percent``: 0 = a version that passes the gate becomes the champion; 1 to 99 = it gets that share beside it.
    """
    exit_task = light(stateful(report(spec=spec, product=product, services=services)))
    with dsl.ExitHandler(exit_task, name="road"):
        own = imported(spec)
        ingested = heavy(stateful(ingest(spec=own, services=services, data=data)))
        tables = ingested.outputs["tables"]
        applied = heavy(stateful(materialize(spec=own, services=services, tables=tables)))
        retrieved = heavy(stateful(retrieve(spec=own, services=services, tables=tables).after(applied)))
        training_set = retrieved.outputs["training_set"]
        built = heavy(build_graph(spec=own, services=services, tables=tables, training_set=training_set))
        graph = built.outputs["graph"]
        trained = heavy(train(spec=own, services=services, graph=graph))
        on_gpu_pool(trained, accelerator, accelerator_count, node_selector, tolerations)
        model = trained.outputs["model"]
        evaluated = heavy(
            stateful(
                evaluate(
                    spec=own, services=services, tables=tables, training_set=training_set, graph=graph, model=model
                )
            )
        )
        evaluation = evaluated.outputs["evaluation"]
        registered = light(
            stateful(
                register(
                    spec=own,
                    services=services,
                    tables=tables,
                    training_set=training_set,
                    graph=graph,
                    model=model,
                    evaluation=evaluation,
                )
            )
        )
        with dsl.If(registered.outputs["Output"] == "promote", name="gate-passed"):
            version = registered.outputs["version"]
            pushed = heavy(
                stateful(
                    push_embeddings(
                        spec=own, services=services, tables=tables, graph=graph, model=model, version=version
                    )
                )
            )
            light(
                stateful(
                    deploy(
                        spec=own,
                        services=services,
                        training_set=training_set,
                        version=version,
                        canary_percent=canary_percent,
                    ).after(pushed)
                )
            )
        light(
            stateful(
                monitor(spec=own, services=services, training_set=training_set, evaluation=evaluation).after(registered)
            )
        )
