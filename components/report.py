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
    """Write the report from the run's ledger; print the results and what to do next.

    An exit handler takes no artifacts: ``spec`` is the spec's address, read only if no step has put the spec into the
    ledger; ``product`` is the spec's name. ``steps``: the names of the steps that every run of the pipeline has, in
    their order; one that is not in the ledger, although a later one is, came from KFP's cache.
    """
    import json
    import tempfile
    from pathlib import Path

    from components.lease import release
    from components.services import Services
    from components.specs import read_spec
    from components.step import SPEC, say
    from models.spec import parse_spec
    from monitoring.ledger import Ledger
    from monitoring.report import summary_lines, write_report

    addresses = Services.of(services)
    ledger = Ledger(addresses.tracking_uri, addresses.run, product, addresses.pipeline)
    with tempfile.TemporaryDirectory() as scratch:
        record = ledger.read(Path(scratch)).with_cached(steps)
        kept = record.notes.get(SPEC)
        parsed = parse_spec(json.dumps(kept)) if kept else read_spec(dsl.Artifact(uri=spec))
        index = write_report(parsed, record, addresses.report_folder)
        lines = summary_lines(record, index)
    release(addresses, product)
    ledger.artifact(addresses.report_folder, "report")
    ledger.close(status.state)
    Path(page.path).parent.mkdir(parents=True, exist_ok=True)
    Path(page.path).write_text(index.read_text(encoding="utf-8"), encoding="utf-8")
    for line in lines:
        say(line)
