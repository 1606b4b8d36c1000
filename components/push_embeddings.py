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
    and continues: going back to older data on purpose is a remedy.
    """
    from pathlib import Path

    from components.step import Step, say

    with Step("push embeddings", spec, services, lease="keep") as step:
        from components.markdown import table, write
        from components.recovered import recover_graph
        from components.slots import versions_kept
        from feature_repo.graph_end import end_of_graph
        from feature_repo.push import push
        from models.graph.store import TemporalGraph
        from models.training.artifact import load_model
        from models.training.devices import best_device
        from models.training.embed import embed
        from models.training.encoder import encoder_in
        from monitoring.profiles import unlike_profile

        recover_graph(step.ledger, Path(graph.path))
        embedded = TemporalGraph.load(Path(graph.path))
        as_of = end_of_graph(step.spec, embedded, Path(tables.path))
        rule = step.spec.serving.diversity
        creation = None if rule is None else rule.creation
        loaded = load_model(Path(model.path), best_device())
        embed(loaded, embedded, as_of, Path(vectors.path), creation)
        store, encoder = step.open_store(), encoder_in(Path(model.path))
        rows = push(store, step.spec, Path(vectors.path), version, encoder, versions_kept(step), step.lease)
        page = [f"# Vectors of version {version} in slot {rows.slot}", table(("view", "rows"), rows.items())]
        if rows.older:
            say(f"WARNING: {rows.older}")
            page.append(f"WARNING: {rows.older}")
        for text in unlike_profile(Path(model.path), Path(graph.path), Path(vectors.path)):
            say(f"WARNING: version {version}: {text}")
            page.append(f"WARNING: version {version}: {text}")
        write(summary, *page)
