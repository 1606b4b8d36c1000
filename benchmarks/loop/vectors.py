"""Fresh vectors of the canary: the pipeline `refresh` makes those of the champion alone."""

from pathlib import Path

from benchmarks.loop.product import LoopProduct


def refresh_canary(product: LoopProduct, version: str) -> None:
    """Push a version's vectors, made from the graph and tables of the newest run, as `push embeddings` does.

    Without them the notifications of the days after its training would be cold for the canary only.
    """
    from feature_repo.applied import CONFIG
    from feature_repo.graph_end import end_of_graph
    from feature_repo.push import push
    from feature_repo.store import open_store, project_of
    from models.graph.store import TemporalGraph
    from models.training.artifact import load_model
    from models.training.embed import embed
    from models.training.encoder import encoder_in
    from serving.versions.registry import model_name

    folder, spec = product.folder / "canary", product.spec
    bundle = folder / f"bundle-{version}"
    if not bundle.exists():
        product.registry.download(model_name(spec), version, bundle)
    tables = product.tables()
    graph = TemporalGraph.load(_graph_of(tables))
    rule = spec.serving.diversity
    embed(
        load_model(bundle),
        graph,
        end_of_graph(spec, graph, tables),
        folder / "vectors",
        None if rule is None else rule.creation,
    )
    store = open_store(CONFIG, product.state, project_of(spec.name))
    served = set(product.roles().values())
    push(store, spec, folder / "vectors", version, encoder_in(bundle), served)


def _graph_of(tables: Path) -> Path:
    """The graph that the run of these tables has built."""
    return tables.parent.parent / "build-graph" / "graph"
