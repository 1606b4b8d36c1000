"""Component: raw data -> canonical tables."""

from kfp import dsl

from components.image import component


@component
def ingest(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    data: str,
    tables: dsl.Output[dsl.Dataset],
    summary: dsl.Output[dsl.Markdown],
    job: str = "",
) -> None:
    """Read ``data`` (a folder; empty if the adapter needs none) with the spec's adapter; write canonical tables."""
    from pathlib import Path

    from components.markdown import table, write
    from components.step import Step
    from feature_repo.sources import ingest

    with Step("ingest", spec, services, job) as step:
        manifest = ingest(step.spec, Path(data) if data else None, Path(tables.path))
        rows = [(name, entry["rows"], entry["sha256"][:12]) for name, entry in manifest["tables"].items()]
        tables.metadata["tables"] = {name: count for name, count, _ in rows}
        step.ledger.note("data", {name: entry["sha256"] for name, entry in manifest["tables"].items()})
        write(summary, f"# Canonical tables of {step.spec.name}", table(("table", "rows", "sha256"), rows))
