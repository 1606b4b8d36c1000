"""The comparison pipeline: one model trained on the home domain's edges alone, one on every domain's, compared."""

from kfp import dsl

from components.compare import compare
from components.home_domain import home_domain
from components.train import train
from pipelines.prepared import prepared
from pipelines.resources import heavy, light, stateful


@dsl.pipeline(name="heliograph-comparison", description="Single-domain against cross-domain.")
def comparison(spec: str, product: str, services: dict, data: str = "") -> None:
    """``spec`` is the spec's address. The single-domain model sees the edges of its home domain."""
    with prepared(spec, product, services, data) as ready:
        models, graphs = {}, {}
        single = light(stateful(home_domain(spec=ready.spec, **ready.run))).outputs["single"]
        for name, given in (("single", single), ("cross", ready.spec)):
            graphs[name] = ready.graph(given)
            models[name] = heavy(train(spec=given, **ready.run, graph=graphs[name])).outputs["model"]
        compared = compare(
            spec=ready.spec,
            **ready.run,
            tables=ready.tables,
            single_graph=graphs["single"],
            single_model=models["single"],
            cross_graph=graphs["cross"],
            cross_model=models["cross"],
        )
        light(stateful(compared))
