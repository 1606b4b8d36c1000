"""What a run of the monitors needs of its step, and what it leaves to look at beside the verdicts."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.step import Step, say

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from monitoring.node_drift import Retrieve
    from monitoring.watch import Watched

REPORT, METRICS = "report.json", "metrics.prom"


def node_features_of(step: Step) -> "Retrieve | None":
    """Reads the features of members and items from the step's feature store, as training reads them.

    None, with a line that says so, where the store has not all of their views: the tables were not applied to it.
    """
    from feature_repo.as_of import features_as_of
    from models.system import one_line

    store, nodes = step.open_store(), step.spec.nodes
    views = [view for _, column in step.spec.node_columns() for view in nodes[column.node].views]
    missing = sorted({*views} - {view.name for view in store.list_feature_views()}) if views else []
    if missing:
        say(f"  features of members and items are not compared: {store.project} has no view {missing[0]}")
        return None

    def retrieve(keys: "Mapping[str, np.ndarray]", times: "np.ndarray") -> "dict[str, pa.ChunkedArray]":
        try:
            return features_as_of(store, keys, times, views)
        except Exception as error:  # a verdict without them is better than none
            say(f"  features of members and items are not compared: {one_line(error)}")
            return {}

    return retrieve


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
