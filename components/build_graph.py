"""Component: canonical tables and training set -> temporal graph."""

from kfp import dsl

from components.image import component


@component
def build_graph(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    training_set: dsl.Input[dsl.Dataset],
    graph: dsl.Output[dsl.Dataset],
    summary: dsl.Output[dsl.Markdown],
    digest: dsl.OutputPath(str),  # type: ignore[valid-type]
    inputs: str = "",
) -> None:
    """Build the temporal graph over the spec's domains.

    Cached: ``inputs`` is the digest of spec, tables and training set, ``digest`` that of spec and graph.
    """
    from pathlib import Path

    from components.step import Step

    with Step("build graph", spec, services) as step:
        from components.digests import write_digest
        from components.markdown import table, write
        from models.graph.build import build_graph

        manifest = build_graph(step.spec, Path(tables.path), Path(training_set.path), Path(graph.path))
        step.ledger.note("graph", manifest["counts"])
        write_digest(digest, step.spec, [graph.path])
        write(summary, "# Temporal graph", table(("part", "count"), manifest["counts"].items()))
