"""The refresh pipeline: new data -> the champion's vectors, pushed again."""

from components.push_embeddings import push_embeddings
from pipelines.prepared import prepared
from pipelines.resources import configured

STEPS = ["build graph", "push embeddings"]


def refresh(spec: str, product: str, services: dict, data: str = "") -> None:
    """Re-embed with the champion and push.

    Keep the model; bring features and vectors up to the newest data.
    """
    with prepared(spec, product, services, data, STEPS, from_champion=True) as ready:
        graph, _ = ready.graph()
        pushed = push_embeddings(
            spec=ready.spec,
            **ready.run,
            tables=ready.tables,
            graph=graph,
            model=ready.model,
            version=ready.version,
        )
        configured(pushed)
