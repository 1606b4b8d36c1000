"""Component: embed all members and items with a model; push their vectors to the online store."""

from kfp import dsl

from components.image import component


@component
def push_embeddings(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    graph: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    version: str,
    vectors: dsl.Output[dsl.Dataset],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Embed every member and item as of the graph's newest row; push the vectors under the model's version.

    Uses a GPU if there is one.

    The vectors of the champion and of every version that serves are kept. If those know later events, the step warns
    and continues: going back to older data on purpose is a remedy. The lease is taken for the pushes, and kept for
    `deploy`. In the pipeline `refresh` the canary, the previous
    version and what else serves get vectors of the same graph too, each of its own model, after those of ``version``;
    the step fails at the end if one that serves has failed, and warns if only the previous one has. ``vectors`` are
    those of ``version``.
    """
    import tempfile
    from pathlib import Path

    from components.step import Step, say

    with Step("push embeddings", spec, services) as step, tempfile.TemporaryDirectory() as scratch:
        from components.embedding import Embedding, failure
        from components.markdown import table, write
        from components.recovered import recover_graph
        from feature_repo.graph_end import end_of_graph
        from models.graph.store import TemporalGraph
        from monitoring.profiles import unlike_profile

        recover_graph(step.ledger, Path(graph.path))
        embedded = TemporalGraph.load(Path(graph.path))
        as_of, refreshes = end_of_graph(step.spec, embedded, Path(tables.path)), step.services.pipeline == "refresh"
        embedding = Embedding(step, step.open_store(), embedded, as_of, "give back" if refreshes else "keep")
        rows = embedding.push(Path(model.path), version, Path(vectors.path))
        page = [f"# Vectors of version {version} in slot {rows.slot}", table(("view", "rows"), rows.items())]
        if rows.older:
            page.append(f"WARNING: {rows.older}")
        for text in unlike_profile(Path(model.path), Path(graph.path), Path(vectors.path)):
            say(f"WARNING: version {version}: {text}")
            page.append(f"WARNING: version {version}: {text}")
        slots: dict[str, str] = {}
        failed: dict[str, Exception] = {}
        if refreshes:
            slots, failed = embedding.push_others(version, Path(model.path), Path(scratch))
        page += [f"Version {other}: slot {slot}" for other, slot in slots.items()]
        page += [f"WARNING: version {other} keeps the vectors it had: {error}" for other, error in failed.items()]
        write(summary, *page)
        error = failure(step, failed)
        if error is not None:
            raise error
