"""Feature definitions -> Feast's registry; latest values -> the online store."""

from kfp import dsl

from components.image import component


@component
def materialize(spec: str, services: dict, tables: dsl.Input[dsl.Dataset], summary: dsl.Output[dsl.Markdown]) -> None:
    """Apply the spec's feature definitions and materialise the online views up to the end of the data."""
    from pathlib import Path

    from components.markdown import table, write
    from components.step import Step
    from feature_repo.apply import apply, materialize
    from feature_repo.sources import end_of_data
    from feature_repo.store import open_store, write_resolved

    with Step("materialize", spec, services) as step:
        config = Path(step.services.feature_store)
        store = open_store(config, step.services.feature_folder)
        write_resolved(config, step.services.feature_folder)
        apply(store, step.spec, Path(tables.path), step.services.feature_folder)
        rows = materialize(store, step.spec, end_of_data(Path(tables.path)))
        write(summary, "# Online views", table(("view", "rows"), rows.items()))
