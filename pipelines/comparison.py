"""The comparison pipeline: one model trained on the home domain's edges alone, one on every domain's, compared."""

from components.compare import compare
from components.home_domain import home_domain
from components.train import train
from pipelines.prepared import prepared
from pipelines.resources import configured
from pipelines.trained import product_of

STEPS = ["home domain", "build graph", "train", "fit trees", "build graph 2", "train 2", "fit trees 2", "compare"]


def comparison(spec: str, product: str, services: dict, data: str = "") -> None:
    """Single-domain against cross-domain.

    ``spec`` is the spec's address. The single-domain model sees the edges of its home domain.
    """
    with prepared(spec, product, services, data, STEPS) as ready:
        models, graphs = {}, {}
        home = configured(home_domain(spec=ready.spec, **ready.run, inputs=ready.digest), cached=True)
        single = (home.outputs["single"], home.outputs["digest"])
        for name, (given, inputs) in (("single", single), ("cross", (ready.spec, ready.digest))):
            graphs[name], digest = ready.graph(given, inputs)
            trained = configured(train(spec=given, **ready.run, graph=graphs[name], inputs=digest), cached=True)
            models[name] = product_of(trained, spec=given, **ready.run, graph=graphs[name])
        compared = compare(
            spec=ready.spec,
            **ready.run,
            tables=ready.tables,
            single_graph=graphs["single"],
            single_model=models["single"],
            cross_graph=graphs["cross"],
            cross_model=models["cross"],
        )
        configured(compared)
