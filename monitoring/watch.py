"""The monitors of a product: drift of its features since training, CTR and calibration of its predictions."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from models import clock
from models import served as served_log
from models.features import impression_features
from models.files import replaced_file
from models.profile import FEWEST_ROWS
from models.spec import Feature, Spec
from models.time_units import DAY, iso
from monitoring.documents import plain
from monitoring.drift import PAGE, drift
from monitoring.traffic import from_predictions, summarise

SERVED_DAYS = 30
"""How many days of the served log are read."""
SERVED_ROWS = 1_000_000
"""The most candidates of it that are read, the newest: what a step's memory holds."""


@dataclass(frozen=True)
class Watched:
    """Results of the monitors."""

    drift: dict[str, Any]
    """Summary of ``monitoring.drift``, with ``current``: endpoint (its served log) or test window."""
    traffic: dict[str, Any]
    """``monitoring.traffic.summarise`` of the test window."""
    served: dict[str, Any]
    """Served log: rows, slates, first and last (ISO-8601), predicted (mean probability), cold (share of items)."""

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON document without NaN."""
        return plain({"drift": self.drift, "traffic": self.traffic, "served": self.served})

    def metrics(self) -> dict[str, float]:
        """The figures to follow over time; unknown ones are left out."""
        found = {
            "drifted_share": self.drift["share"],
            "dying_columns": None if self.drift["share"] is None else len(self.drift["dying"]),
            "ctr": self.traffic["ctr"],
            "predicted_ctr": self.traffic["predicted"],
            "calibration_ratio": self.traffic["ratio"],
            "ece": self.traffic["ece"],
            "served_rows": self.served["rows"],
        }
        return {name: float(value) for name, value in found.items() if value is not None}

    def to_markdown(self) -> str:
        """Format for KFP's UI."""
        drifted = ", ".join(f"`{name}`" for name in self.drift["drifted"]) or "none"
        dying = ", ".join(f"`{name}`" for name in self.drift["dying"]) or "none"
        figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in self.metrics().items())
        return (
            f"# Monitoring\n\nFeatures of the {self.drift['current']} against training: **{self.drift['status']}**; "
            f"losing their values: {dying}; drifted: {drifted}.\n\n| figure | value |\n|---|---|\n{figures}"
        )


def watch(
    spec: Spec, training_set: Path, evaluation: Path, served: Path | str, page: Path, now: int | None = None
) -> Watched:
    """Measure drift, CTR and calibration; write Evidently's page to ``page``.

    Drift compares the train window of ``training_set`` with the served log (``served``: as in ``models.served.read``)
    if that holds at least 50 candidates, else with the test window. CTR and calibration are those of the predictions in
    ``evaluation``, as of each impression of the test window. Of the served log, only this product's rows of the last 30
    days count (``now``: microseconds UTC, None = the clock). The log may be empty or missing.
    """
    features = impression_features(spec)
    names = list(dict.fromkeys([feature.name for feature in features] + [spec.impressions.surface, "window"]))
    rows = pq.read_table(training_set / "impressions.parquet", columns=names).to_pandas()
    rows = rows.rename(columns={spec.impressions.surface: "surface"})
    log = _log(spec, served, clock.now() if now is None else now)
    live = len(log) >= FEWEST_ROWS and all(feature.name in log for feature in features)
    columns = [*features, Feature("surface", "category", 1)]
    current = log if live else rows[rows["window"] == "test"]
    with tempfile.TemporaryDirectory() as scratch, replaced_file(page) as draft:
        found = drift(rows[rows["window"] == "train"], current, columns, Path(scratch))
        shutil.copyfile(Path(scratch) / PAGE, draft)
    found["current"] = "endpoint" if live else "test window"
    traffic = summarise(from_predictions(spec, _predictions(spec, evaluation), "test"), spec.timezone)
    return Watched(found, traffic, _served(spec, log))


def _log(spec: Spec, place: Path | str, now: int) -> pd.DataFrame:
    """Recent rows of our model; slates from before the spec had its primary task are left out."""
    log = served_log.read(place, now - SERVED_DAYS * DAY, served_log.model_name(spec), SERVED_ROWS)
    log = log[log["served"] <= now + clock.tolerance()]  # rows of a clock that was ahead would be recent for years
    probability = f"probability_{spec.primary_task}"
    return log[log[probability].notna()] if probability in log else log.iloc[:0]


def _predictions(spec: Spec, folder: Path) -> pd.DataFrame:
    task = spec.primary_task
    names = ["time", "surface", "window", "state", f"label_{task}", f"candidate_{task}"]
    return pq.read_table(folder / "predictions.parquet", columns=names).to_pandas()


def _served(spec: Spec, log: pd.DataFrame) -> dict[str, Any]:
    if log.empty:
        return {"rows": 0, "slates": 0, "first": None, "last": None, "predicted": None, "cold": None}
    return {
        "rows": len(log),
        "slates": int(log["slate"].nunique()),
        "first": iso(int(log["served"].min())),
        "last": iso(int(log["served"].max())),
        "predicted": float(log[f"probability_{spec.primary_task}"].astype(float).mean()),
        "cold": float(log["item_cold"].astype(bool).mean()),
    }
