"""The comparison pipeline: one model trained on the home domain's edges alone, one on every domain's, compared."""

from kfp import dsl

from components.compare import compare
from components.train import train
from pipelines.prepared import prepared
from pipelines.resources import heavy, imported, light, stateful


@dsl.pipeline(name="heliograph-comparison", description="Single-domain against cross-domain.")
def comparison(spec: str, single_spec: str, product: str, services: dict, data: str = "") -> None:
    """``spec`` and ``single_spec`` are addresses; ``single_spec`` has ``domains`` set to the home domain."""
    with prepared(spec, product, services, data) as ready:
        models, graphs = {}, {}
        for name, given in (("single", imported(single_spec)), ("cross", ready.spec)):
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
