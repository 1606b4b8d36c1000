"""What a run of the monitors leaves to look at, beside the verdicts: page, report, metrics."""

from pathlib import Path
from typing import TYPE_CHECKING

from components.step import Step

if TYPE_CHECKING:
    from monitoring.watch import Watched

REPORT, METRICS = "report.json", "metrics.prom"


def keep_pages(step: Step, watched: "Watched", folder: Path) -> Path:
    """Write page, report and metrics to the ledger and to the storage; return a page that needs no other file.

    ``folder`` has Evidently's page. In the storage they are those of the newest run.
    """
    from models.clock import now
    from models.storage import join, write_bytes
    from monitoring.documents import write_json
    from monitoring.page.page import write_page
    from monitoring.page.textfile import write_metrics
    from monitoring.verdicts import folder_of
    from monitoring.watch import DRIFT

    report, product = watched.report(), step.spec.name
    kept = [
        write_json(folder / REPORT, report),
        write_page(product, report, folder, DRIFT),
        write_metrics(product, report, folder / METRICS, now()),
    ]
    for path in kept:
        step.ledger.artifact(path, path.name)
    for path in (*kept, folder / DRIFT):
        write_bytes(join(folder_of(step.services.storage, product), path.name), path.read_bytes())
    return write_page(product, report, folder / "alone")
