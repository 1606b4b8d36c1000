"""The comparison pipeline: the same road twice, with the home domain's edges alone and with every domain's."""

from kfp import dsl

from components.build_graph import build_graph
from components.compare import compare
from components.ingest import ingest
from components.materialize import materialize
from components.report import report
from components.retrieve import retrieve
from components.train import train
from pipelines.resources import heavy, imported, light, stateful


@dsl.pipeline(name="heliograph-comparison", description="Single-domain against cross-domain.")
def comparison(spec: str, single_spec: str, product: str, services: dict, data: str = "") -> None:
    """Addresses; ``single_spec`` is the spec with ``domains`` set to its home domain."""
    exit_task = light(stateful(report(spec=spec, product=product, services=services)))
    with dsl.ExitHandler(exit_task, name="road"):
        own = imported(spec)
        ingested = heavy(stateful(ingest(spec=own, services=services, data=data)))
        tables = ingested.outputs["tables"]
        applied = heavy(stateful(materialize(spec=own, services=services, tables=tables)))
        retrieved = heavy(stateful(retrieve(spec=own, services=services, tables=tables).after(applied)))
        training_set = retrieved.outputs["training_set"]
        models, graphs = {}, {}
        for name, given in (("single", imported(single_spec)), ("cross", own)):
            built = heavy(build_graph(spec=given, services=services, tables=tables, training_set=training_set))
            graphs[name] = built.outputs["graph"]
            models[name] = heavy(train(spec=given, services=services, graph=graphs[name])).outputs["model"]
        light(
            stateful(
                compare(
                    spec=own,
                    services=services,
                    tables=tables,
                    single_graph=graphs["single"],
                    single_model=models["single"],
                    cross_graph=graphs["cross"],
                    cross_model=models["cross"],
                )
            )
        )
