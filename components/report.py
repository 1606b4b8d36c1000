"""Component: the exit handler, which writes the run's report whether or not the run succeeded."""

from kfp import dsl

from components.image import component


@component
def report(
    spec: str,
    product: str,
    services: dict,
    status: dsl.PipelineTaskFinalStatus,
    page: dsl.Output[dsl.HTML],
    steps: list = [],  # noqa: B006 - the default of a KFP parameter, never mutated
) -> None:
    """Write the report from the run's ledger, to MLflow and as a page; print the results and what to do next.

    An exit handler takes no artifacts: ``spec`` is the spec's address, read only if no step has put the spec into the
    ledger; ``product`` is the spec's name. ``steps``: the names of the steps that every run of the pipeline has, in
    their order; one that is not in the ledger, although a later one is, came from KFP's cache.
    """
    import json
    import tempfile
    from contextlib import ExitStack
    from pathlib import Path

    from components.acting import end_action
    from components.lease import release
    from components.services import EMBEDDED, Services
    from components.specs import spec_at
    from components.step import SPEC, say
    from models.spec import parse_spec
    from monitoring.ledger import Ledger
    from monitoring.report import INDEX, summary_lines, write_report

    where = Services.of(services)
    ledger = Ledger(where.tracking_uri, where.run, product, where.pipeline)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as end:
        end.callback(release, where, product)  # also after a failure: then no other run has to wait
        end_action(where, product, status.state == "SUCCEEDED")
        record = ledger.read(Path(scratch) / "ledger").with_cached(steps)
        kept = record.notes.get(SPEC)
        parsed = parse_spec(json.dumps(kept)) if kept else spec_at(spec)
        here = where.target == EMBEDDED  # a pod's folder is gone with the pod
        index = write_report(parsed, record, where.report_folder if here else Path(scratch) / "report")
        ledger.artifact(index.parent, "report")
        Path(page.path).parent.mkdir(parents=True, exist_ok=True)
        Path(page.path).write_text(index.read_text(encoding="utf-8"), encoding="utf-8")
        lines = summary_lines(record, str(index) if here else ledger.address(f"report/{INDEX}"))
    ledger.close(status.state)
    for line in lines:
        say(line)
