"""Component: register feature definitions with Feast; write the latest values to the online store."""

from kfp import dsl

from components.image import component


@component
def materialize(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Apply the spec's feature definitions and materialize the online views up to the end of the data.

    Collaborative snapshots and semantic IDs are written up to now where the data are those of the last two days: the
    newest become visible some hours after their midnight, at which the data of daily exports end.

    A view that the quality gate refuses keeps its last good values: the run warns and continues. It fails if the view
    has no such values. A training is told here if all slots are taken, before it has cost hours.
    """
    from pathlib import Path

    from components.step import Step, say

    with Step("materialize", spec, services, lease="keep") as step:
        from components.markdown import table, write
        from components.slots import slots_warning
        from components.tables import address_of
        from feature_repo.applied import pushed_folder
        from feature_repo.apply import apply
        from feature_repo.materialise import materialize
        from feature_repo.sources import end_of_data
        from feature_repo.store import write_resolved
        from models import clock
        from models.time_units import DAY

        warning = slots_warning(step) if step.services.pipeline == "training" else None
        if warning is not None:
            say(warning)
        store = step.open_store()
        if step.state is not None and not step.services.scratch:
            write_resolved(Path(step.services.feature_store), step.state, store.project)
        step.check_lease()
        pushed = pushed_folder(step.services.storage, store.project)
        apply(store, step.spec, Path(tables.path), address_of(tables), pushed)
        end, now = end_of_data(Path(tables.path)), clock.now()
        snapshots_until = max(end, now + 1) if now - end < 2 * DAY else None
        done = materialize(store, step.spec, end, snapshots_until=snapshots_until, allowed=step.check_lease)
        refused = {view: [str(finding) for finding in findings] for view, findings in done.refused.items()}
        step.ledger.note("online", {"rows": dict(done), "refused": refused})
        for view in refused:
            say(
                f"WARNING: view {view} was refused by the quality gate; the endpoint keeps serving its last good values"
            )
        rows = [(view, count, "written") for view, count in done.items()]
        rows += [(view, 0, "REFUSED: " + "; ".join(reasons)) for view, reasons in refused.items()]
        page = [table(("view", "rows", "result"), rows), *([] if warning is None else [warning])]
        write(summary, "# Online views", *page)
