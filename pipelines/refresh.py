"""The refresh pipeline: new data -> the vectors of all versions that serve or may serve again, pushed again."""

from components.push_embeddings import push_embeddings
from pipelines.prepared import prepared
from pipelines.resources import GpuPool, configured

STEPS = ["build graph", "push embeddings"]


def refresh(
    spec: str,
    product: str,
    services: dict,
    data: str = "",
    accelerator: str = "nvidia.com/gpu",
    node_selector: dict = {},  # noqa: B006 - the default of a KFP parameter, never mutated
    tolerations: list = [],  # noqa: B006
) -> None:
    """Re-embed and push: with the champion, then with the canary and the previous version, each by its own model.

    Keep the models; bring features and vectors up to the newest data. `push_embeddings` has one GPU of the pool that
    ``accelerator``, ``node_selector`` and ``tolerations`` choose where its setting ``gpu`` says so.
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
        GpuPool(accelerator, node_selector, tolerations).may_run(configured(pushed))
