"""The refresh pipeline: new data -> the champion's vectors, pushed again."""

from kfp import dsl

from components.build_graph import build_graph
from components.champion import champion
from components.ingest import ingest
from components.materialize import materialize
from components.push_embeddings import push_embeddings
from components.report import report
from components.retrieve import retrieve
from pipelines.resources import heavy, imported, light, stateful


@dsl.pipeline(name="heliograph-refresh", description="Re-embed with the champion and push.")
def refresh(spec: str, product: str, services: dict, data: str = "") -> None:
    """The model stays; features and vectors move to the newest data."""
    exit_task = light(stateful(report(spec=spec, product=product, services=services)))
    with dsl.ExitHandler(exit_task, name="road"):
        own = imported(spec)
        best = light(stateful(champion(spec=own, services=services)))
        ingested = heavy(stateful(ingest(spec=own, services=services, data=data).after(best)))
        tables = ingested.outputs["tables"]
        applied = heavy(stateful(materialize(spec=own, services=services, tables=tables)))
        retrieved = heavy(stateful(retrieve(spec=own, services=services, tables=tables).after(applied)))
        built = heavy(
            build_graph(spec=own, services=services, tables=tables, training_set=retrieved.outputs["training_set"])
        )
        heavy(
            stateful(
                push_embeddings(
                    spec=own,
                    services=services,
                    tables=tables,
                    graph=built.outputs["graph"],
                    model=best.outputs["model"],
                    version=best.outputs["Output"],
                )
            )
        )
