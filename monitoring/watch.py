"""The monitors of a product: the verdict on what it served, drift of its features since training, calibration."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.features import drifting_features
from models.files import replaced_file
from models.profile import FEWEST_ROWS
from models.spec import Feature, Spec
from models.storage import is_remote
from models.time_units import iso
from monitoring.documents import plain
from monitoring.drift import PAGE, drift
from monitoring.judged_days import Compare, Join, Judged, Nodes, judge_days, newest_settled
from monitoring.node_drift import SHOWN, Retrieve, compared_nodes, day_columns, node_drift, sampled
from monitoring.node_drift import served as served_nodes
from monitoring.snapshots import SnapshotPlace
from monitoring.traffic import from_predictions, summarise
from monitoring.verdict import EXIT_CODES
from monitoring.verdicts import folder_of, next_command
from monitoring.verdicts import page as verdict_page

DRIFT = PAGE
"""Name of Evidently's page."""
SERVED_ROWS = 1_000_000
"""The most candidates that are compared with training, the newest: what a step's memory holds."""


@dataclass(frozen=True)
class Watched:
    """Results of the monitors."""

    drift: dict[str, Any]
    """Summary of ``monitoring.drift``, with ``current``: endpoint (what it served) or test window, and ``why``."""
    traffic: dict[str, Any]
    """``monitoring.traffic.summarise`` of the test window."""
    served: dict[str, Any]
    """Served since the newest settled day began: rows, slates, first and last (ISO-8601), predicted (mean probability),
    cold (share of items), pending (candidates whose label may still change)."""
    judged: Judged | None = None
    """The verdict, and what it rests on; None where only drift was measured."""
    product: str = ""
    storage: str = ""
    """Where the verdict is."""

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON document without NaN."""
        found = {"drift": self.drift, "traffic": self.traffic, "served": self.served}
        return plain({**found, **({} if self.judged is None else {"verdict": self.judged.verdict.to_json()})})

    def report(self) -> dict[str, Any]:
        """What the monitoring page shows, as strict JSON; empty where only drift was measured."""
        if self.judged is None:
            return {}
        verdict, days = self.judged.verdict, self.judged.days
        document = verdict.to_json()
        return plain(
            {
                "verdict": document,
                "alarms": document["evidence"],
                "days": [day.to_page() for day in days],
                "outcomes": {**self.judged.counts, "pending": self.served["pending"]},
                "columns": dict(days[-1].profile.get("columns", {})) if days else {},
                "next": next_command(verdict, self.product, self.storage),
            }
        )

    def metrics(self) -> dict[str, float]:
        """The figures to follow over time; unknown ones are left out."""
        found = {
            "state": None if self.judged is None else EXIT_CODES[self.judged.verdict.state],
            "drifted_share": self.drift["share"],
            "dying_columns": None if self.drift["share"] is None else len(self.drift["dying"]),
            "ctr": self.traffic["ctr"],
            "predicted_ctr": self.traffic["predicted"],
            "calibration_ratio": self.traffic["ratio"],
            "ece": self.traffic["ece"],
            "served_rows": self.served["rows"],
        }
        return {name: float(value) for name, value in found.items() if value is not None}

    def verdict_lines(self) -> list[str]:
        """The verdict for the terminal; none where only drift was measured."""
        if self.judged is None:
            return []
        return verdict_page(self.product, self.judged.verdict, self.storage).splitlines()

    def to_markdown(self) -> str:
        """Format for KFP's UI, the verdict first."""
        drifted = ", ".join(f"`{name}`" for name in self.drift["drifted"]) or "none"
        dying = ", ".join(f"`{name}`" for name in self.drift["dying"]) or "none"
        figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in self.metrics().items())
        lines = "\n".join(self.verdict_lines())
        verdict = f"```\n{lines}\n```\n\n" if lines else ""
        return (
            f"# Monitoring\n\n{verdict}Features of the {self.drift['current']} against training: "
            f"**{self.drift['status']}**; losing their values: {dying}; drifted: {drifted}. {self.drift['why']}\n\n"
            f"| figure | value |\n|---|---|\n{figures}"
        )


@dataclass(frozen=True)
class Log:
    """What a product has served, joined with its outcomes."""

    join: Join
    first: date | None
    """The first day with a served row; None = there is none."""
    compare: Compare = lambda _: {}
    retrieve: Retrieve | None = None
    """Reads the features of members and items as of a time; None = those of what was served are not compared."""


def watch(
    spec: Spec,
    log: Log,
    training_set: Path,
    evaluation: Path,
    page: Path,
    now: int,
    storage: str = "",
    roles: Mapping[str, str] | None = None,
) -> Watched:
    """Judge what was served; measure drift, CTR and calibration; write Evidently's page to ``page``.

    Drift compares the train window of ``training_set`` with the rows served since the newest settled day began, if
    those are at least 50, else with the test window, and says so. CTR and calibration are those of the predictions in
    ``evaluation``, as of each impression of the test window. With ``storage`` the settled days are judged
    (``judge_days``, which writes the verdicts there), and on this machine Evidently's workspace there gets the page of
    what was served. ``roles``: the versions that serve; ``now``: microseconds UTC.
    """
    nodes: Nodes = partial(day_columns, spec, log.retrieve) if log.retrieve and compared_nodes(spec) else lambda _: {}
    judged = judge_days(spec, storage, log.join, log.first, roles or {}, now, log.compare, nodes) if storage else None
    served, live, shown = _recent(spec, log, now)
    features = drifting_features(spec)
    names = list(dict.fromkeys([feature.name for feature in features] + [spec.impressions.surface, "window"]))
    rows = pq.read_table(training_set / "impressions.parquet", columns=names).to_pandas()
    rows = rows.rename(columns={spec.impressions.surface: "surface"})
    enough = len(live) >= FEWEST_ROWS
    columns = [*features, Feature("surface", "category", 1)]
    current = live if enough else rows[rows["window"] == "test"]
    others = _nodes(spec, training_set / "impressions.parquet", shown if enough else None, log.retrieve)
    with tempfile.TemporaryDirectory() as scratch, replaced_file(page) as draft:
        kept = _snapshot(spec, storage, now) if enough else None
        found = drift(rows[rows["window"] == "train"], current, columns, Path(scratch), kept, others)
        shutil.copyfile(Path(scratch) / PAGE, draft)
    found["current"] = "endpoint" if enough else "test window"
    found["why"] = "" if enough else f"Nothing served is compared: {len(live)} rows, {FEWEST_ROWS} are needed."
    traffic = summarise(from_predictions(spec, _predictions(spec, evaluation), "test"), spec.timezone)
    return Watched(found, traffic, served, judged, spec.name, storage)


def _nodes(spec: Spec, path: Path, shown: pa.Table | None, retrieve: Retrieve | None) -> dict[str, dict[str, Any]]:
    """Drift of the nodes' features since the train window: of what was served, or of the test window without it."""
    reference = sampled(path, "train", spec)
    if not reference.num_columns or (shown is not None and retrieve is None):
        return {}
    current = sampled(path, "test", spec) if shown is None or retrieve is None else served_nodes(spec, shown, retrieve)
    return node_drift(spec, reference, current)


def _snapshot(spec: Spec, storage: str, now: int) -> SnapshotPlace | None:
    """Where Evidently's workspace is; it needs a folder."""
    if not storage or is_remote(storage):
        return None
    return SnapshotPlace(Path(folder_of(storage, spec.name)) / "evidently", spec.name, newest_settled(spec, now))


def _recent(spec: Spec, log: Log, now: int) -> tuple[dict[str, Any], pd.DataFrame, pa.Table]:
    """Facts on what was served since the newest settled day began; of the newest ranked rows the features, and what
    was shown to whom when."""
    if log.first is None:
        return {**_facts(spec, []), "pending": 0}, pd.DataFrame(), pa.table({})
    begin, probability = spec.midnight(newest_settled(spec, now)), f"probability_{spec.primary_task}"
    names = [feature.name for feature in drifting_features(spec)]
    tables: list[pa.Table] = []
    with tempfile.TemporaryDirectory() as scratch:
        counts = log.join(begin, now, Path(scratch))
        for path in sorted(Path(scratch).glob("day=*.parquet"), reverse=True):
            wanted = [*SHOWN, "slate", "surface", "item_cold", "fallback", probability, *names]
            table = pq.read_table(path, columns=list(dict.fromkeys(wanted)), partitioning=None)
            inside = pc.and_(pc.greater_equal(table["served"], begin), pc.is_valid(table[probability]))
            tables.append(table.filter(inside))
            if sum(map(len, tables)) >= SERVED_ROWS:
                break
    rows = [table.filter(pc.invert(pc.fill_null(table["fallback"], False))) for table in tables]
    found = {**_facts(spec, tables), "pending": counts["pending"]}
    if not rows:
        return found, pd.DataFrame(), pa.table({})
    kept = pa.concat_tables(rows, promote_options="permissive").slice(0, SERVED_ROWS)
    return found, kept.select(list(dict.fromkeys([*names, "surface"]))).to_pandas(), kept.select(SHOWN)


def _facts(spec: Spec, tables: Sequence[pa.Table]) -> dict[str, Any]:
    rows = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    if not len(rows):
        return {"rows": 0, "slates": 0, "first": None, "last": None, "predicted": None, "cold": None}
    return {
        "rows": len(rows),
        "slates": pc.count_distinct(rows["slate"]).as_py(),
        "first": iso(pc.min(rows["served"]).as_py()),
        "last": iso(pc.max(rows["served"]).as_py()),
        "predicted": pc.mean(rows[f"probability_{spec.primary_task}"]).as_py(),
        "cold": pc.mean(pc.cast(pc.fill_null(rows["item_cold"], False), pa.float64())).as_py(),
    }


def _predictions(spec: Spec, folder: Path) -> pd.DataFrame:
    task = spec.primary_task
    names = ["time", "surface", "window", "state", f"label_{task}", f"candidate_{task}"]
    return pq.read_table(folder / "predictions.parquet", columns=names).to_pandas()
