"""The refresh pipeline: new data -> the champion's vectors, pushed again."""

from kfp import dsl

from components.push_embeddings import push_embeddings
from pipelines.prepared import prepared
from pipelines.resources import heavy, stateful


@dsl.pipeline(name="heliograph-refresh", description="Re-embed with the champion and push.")
def refresh(spec: str, product: str, services: dict, data: str = "") -> None:
    """Keep the model; bring features and vectors up to the newest data."""
    with prepared(spec, product, services, data, from_champion=True) as ready:
        pushed = push_embeddings(
            spec=ready.spec,
            **ready.run,
            tables=ready.tables,
            graph=ready.graph(),
            model=ready.model,
            version=ready.version,
        )
        heavy(stateful(pushed))
