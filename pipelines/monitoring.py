"""The monitoring pipeline: new data -> the champion's drift, click-through rate and calibration."""

from kfp import dsl

from components.build_graph import build_graph
from components.champion import champion
from components.evaluate import evaluate
from components.ingest import ingest
from components.materialize import materialize
from components.monitor import monitor
from components.report import report
from components.retrieve import retrieve
from pipelines.resources import heavy, imported, light, stateful


@dsl.pipeline(name="heliograph-monitoring", description="Does the champion still hold?")
def monitoring(spec: str, product: str, services: dict, data: str = "") -> None:
    """Nothing is trained, registered or deployed."""
    exit_task = light(stateful(report(spec=spec, product=product, services=services)))
    with dsl.ExitHandler(exit_task, name="road"):
        own = imported(spec)
        best = light(stateful(champion(spec=own, services=services)))
        ingested = heavy(stateful(ingest(spec=own, services=services, data=data).after(best)))
        tables = ingested.outputs["tables"]
        applied = heavy(stateful(materialize(spec=own, services=services, tables=tables)))
        retrieved = heavy(stateful(retrieve(spec=own, services=services, tables=tables).after(applied)))
        training_set = retrieved.outputs["training_set"]
        built = heavy(build_graph(spec=own, services=services, tables=tables, training_set=training_set))
        evaluated = heavy(
            stateful(
                evaluate(
                    spec=own,
                    services=services,
                    tables=tables,
                    training_set=training_set,
                    graph=built.outputs["graph"],
                    model=best.outputs["model"],
                )
            )
        )
        light(
            stateful(
                monitor(
                    spec=own,
                    services=services,
                    training_set=training_set,
                    evaluation=evaluated.outputs["evaluation"],
                )
            )
        )
