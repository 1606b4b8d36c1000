"""The exit handler: the run's report, whatever happened."""

from kfp import dsl

from components.image import component


@component
def report(spec: str, services: dict, status: dsl.PipelineTaskFinalStatus, page: dsl.Output[dsl.HTML]) -> None:
    """Write the report from the run's ledger and say what came out and what to do next."""
    import tempfile
    from pathlib import Path

    from components.services import Services
    from components.step import say
    from models.spec import parse_spec
    from monitoring.ledger import Ledger
    from monitoring.report import summary_lines, write_report

    parsed = parse_spec(spec)
    reached = Services(**services)
    ledger = Ledger(reached.tracking_uri, reached.run, experiment=parsed.name)
    with tempfile.TemporaryDirectory() as scratch:
        record = ledger.read(Path(scratch))
        index = write_report(parsed, record, reached.report_folder)
        lines = summary_lines(record, index)
    ledger.artifact(reached.report_folder, "report")
    ledger.close(status.state)
    Path(page.path).parent.mkdir(parents=True, exist_ok=True)
    Path(page.path).write_text(index.read_text(encoding="utf-8"), encoding="utf-8")
    for line in lines:
        say(line)
