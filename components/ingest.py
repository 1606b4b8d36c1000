"""Component: raw data -> canonical tables, and the spec with the dates of its windows."""

from kfp import dsl

from components.image import component


@component
def ingest(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    data: str,
    tables: dsl.Output[dsl.Dataset],
    resolved: dsl.Output[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Read ``data`` with the spec's adapter; write canonical tables.

    ``data`` is a folder, or an address in object storage such as ``s3://bucket/folder``; empty if the adapter needs
    none. ``resolved`` is the spec of every later step: with ``windows.end: latest`` the data decides on its dates. Raw
    files that an earlier run has read are not read again. Rows of forgotten members are left out. Where the pipeline
    may train, windows in which a task has one class are refused.
    """
    from pathlib import Path

    from components.step import SPEC, Step, say

    with Step("ingest", spec, services) as step:
        from components.markdown import table, write
        from components.services import UNTRAINED
        from components.specs import write_artifact
        from feature_repo.forgotten import NOTE, parsed
        from feature_repo.sources.ingest import ingest
        from feature_repo.sources.size import DECIDED
        from feature_repo.sources.windows import WINDOWS, spec_of
        from feature_repo.store import open_notes, project_of
        from models.columns import SAMPLED
        from models.storage import join

        kept = join(step.services.storage, "raw", step.spec.name)
        notes = open_notes(Path(step.services.feature_store), step.state, project_of(step.spec.name))
        trained = step.services.pipeline not in UNTRAINED
        manifest = ingest(step.spec, data or None, Path(tables.path), kept, parsed(notes.read(NOTE)), trained)
        dated, dates, chosen = spec_of(step.spec, manifest), manifest[WINDOWS], manifest[DECIDED]
        write_artifact(dated, resolved)
        rows = [(name, entry["rows"], entry["sha256"][:12]) for name, entry in manifest["tables"].items()]
        tables.metadata["tables"] = {name: count for name, count, _ in rows}
        step.ledger.note(SPEC, dated.model_dump(mode="json", by_alias=True))
        step.ledger.note(WINDOWS, dates)
        step.ledger.note(DECIDED, chosen)
        if SAMPLED in manifest:
            step.ledger.note(SAMPLED, manifest[SAMPLED])
        step.ledger.note("data", {name: entry["sha256"] for name, entry in manifest["tables"].items()})
        say(f"  windows: {dated.windows.dates}")
        values = [f"{key} {one['value']}" for key, one in chosen.items()]
        say(f"  by the data: {', '.join(values) or 'nothing'}")
        days = [(name, *bounds) for name, bounds in dates["windows"].items()]
        write(
            summary,
            f"# Canonical tables of {step.spec.name}",
            table(("table", "rows", "sha256"), rows),
            table(("window", "from", "to (excluded)"), days),
            table(("decided by the data", "value", "since"), [(key, *one.values()) for key, one in chosen.items()]),
        )
