"""Component: retrieve the training set from Feast, point-in-time features and versions of node features."""

from kfp import dsl

from components.image import component


@component
def retrieve(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    training_set: dsl.Output[dsl.Dataset],
    summary: dsl.Output[dsl.Markdown],
    digest: dsl.OutputPath(str),  # type: ignore[valid-type]
) -> None:
    """Write the training set: the features of every impression as of one microsecond before it.

    ``digest`` is that of spec, tables and training set. Not cached, since it reads the definitions that Feast holds.
    The run gives its lease back only after this step, so that no other one applies its tables meanwhile.
    """
    from pathlib import Path

    from components.step import Step

    with Step("retrieve", spec, services, lease="give back") as step:
        from components.digests import write_digest
        from components.markdown import table, write
        from components.tables import address_of
        from feature_repo.retrieve import retrieve

        folders = Path(tables.path), Path(training_set.path)
        manifest = retrieve(step.open_store(), step.spec, *folders, address_of(tables))
        write_digest(digest, step.spec, [tables.path, training_set.path])
        rows = [(name, entry["rows"]) for name, entry in manifest["tables"].items()]
        write(summary, "# Training set", table(("table", "rows"), rows))
