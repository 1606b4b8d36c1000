"""Drift between two frames of features, by Evidently: an HTML page for people, a JSON summary for machines.

Evidently chooses the measure: above 1000 rows the normed Wasserstein distance (numbers) and the Jensen-Shannon distance
(categories), drift from 0.1 on; below, p-values of Kolmogorov-Smirnov, chi-square and Z tests, drift under 0.05.
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.spec import Feature
from monitoring.documents import write_json, write_text
from monitoring.errors import DriftError

PAGE = "drift.html"
SUMMARY = "drift.json"
MOST_ROWS = 10_000
FEWEST_ROWS = 50
MOST_VALUES = 50
"""Of a category: the rarer ones are counted together (Evidently takes a minute for thousands of values)."""
SEED = 7
OTHER = "(other)"


def drift(reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[Feature], folder: Path) -> dict[str, Any]:
    """Compare the columns of two frames; write ``drift.html`` and ``drift.json`` to ``folder``; return the summary.

    At most 10 000 rows of each frame are read (a fixed random sample). The summary: ``status`` (``stable``; ``drifted``
    when at least half of the compared columns did; ``not_enough_rows`` under 50 rows; ``nothing_to_compare``),
    ``share`` of drifted columns (None where nothing was compared), ``drifted`` names, ``rows``, ``page`` (the HTML's
    name) and ``columns``: per name ``kind``, ``missing`` (shares), ``drifted`` and, where they exist,
    ``method``, ``score``, ``threshold`` and ``note``. Only numbers and categories are compared. A column that is empty
    on one side alone has drifted; one that is empty on both is not compared. Raises DriftError for an absent column.
    """
    wanted = [feature for feature in columns if feature.kind in ("number", "category")]
    for side, frame in (("reference", reference), ("current", current)):
        absent = [feature.name for feature in wanted if feature.name not in frame]
        if absent:
            raise DriftError(
                f"drift, {side} frame: expected the column {absent[0]!r}; found {', '.join(frame.columns)}"
            )
    summary: dict[str, Any] = {
        "status": "nothing_to_compare",
        "share": None,
        "drifted": [],
        "rows": {"reference": len(reference), "current": len(current)},
        "page": PAGE,
        "columns": {},
    }
    if min(len(reference), len(current)) < FEWEST_ROWS:
        summary["status"] = "not_enough_rows"
        return _written(folder, summary, _plain_page(summary))
    before, after = _prepared(reference, wanted), _prepared(current, wanted)
    summary["columns"] = {feature.name: _emptiness(feature, before, after) for feature in wanted}
    comparable = [feature for feature in wanted if "note" not in summary["columns"][feature.name]]
    _fold_rare(before, after, [feature.name for feature in comparable if feature.kind == "category"])
    page = _plain_page(summary)
    if comparable:
        scores, page = _evidently(before, after, comparable)
        for name, found in scores.items():
            summary["columns"][name].update(found)
    judged = [found["drifted"] for found in summary["columns"].values() if found["drifted"] is not None]
    if judged:
        summary["drifted"] = [name for name, found in summary["columns"].items() if found["drifted"]]
        summary["share"] = len(summary["drifted"]) / len(judged)
        summary["status"] = "drifted" if summary["share"] >= 0.5 else "stable"
    return _written(folder, summary, page)


def _prepared(frame: pd.DataFrame, columns: Sequence[Feature]) -> pd.DataFrame:
    """A sample of at most 10 000 rows; numbers as float64 without infinities, categories as strings or None."""
    sample = frame.sample(n=MOST_ROWS, random_state=SEED) if len(frame) > MOST_ROWS else frame
    prepared = {}
    for feature in columns:
        values = sample[feature.name]
        if feature.kind == "number":
            prepared[feature.name] = (
                pd.to_numeric(values, errors="coerce").astype(np.float64).replace([np.inf, -np.inf], np.nan)
            )
        else:
            prepared[feature.name] = values.astype(str).where(values.notna(), None).astype(object)
    return pd.DataFrame(prepared).reset_index(drop=True)


def _emptiness(feature: Feature, before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """What is known of a column before its values are compared."""
    missing = {
        "reference": float(before[feature.name].isna().mean()),
        "current": float(after[feature.name].isna().mean()),
    }
    found: dict[str, Any] = {"kind": feature.kind, "missing": missing, "drifted": None}
    empty = [side for side, share in missing.items() if share == 1]
    if len(empty) == 2:
        found["note"] = "no values on either side"
    elif empty:
        found |= {"drifted": True, "note": f"no values in the {empty[0]} rows"}
    return found


def _fold_rare(before: pd.DataFrame, after: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        counts = pd.concat([before[name], after[name]]).value_counts()
        if len(counts) > MOST_VALUES:
            kept = set(counts.index[: MOST_VALUES - 1])
            for frame in (before, after):
                rare = frame[name].notna() & ~frame[name].isin(kept)
                frame.loc[rare, name] = OTHER


def _evidently(
    before: pd.DataFrame, after: pd.DataFrame, columns: Sequence[Feature]
) -> tuple[dict[str, dict[str, Any]], str]:
    """Score and verdict by column, and the HTML page."""
    os.environ["DO_NOT_TRACK"] = "1"  # read by evidently.telemetry when an event would be sent
    os.environ["EVIDENTLY_DISABLE_TELEMETRY"] = "1"  # read by evidently.legacy on import
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = [feature.name for feature in columns]
    definition = DataDefinition(
        numerical_columns=[feature.name for feature in columns if feature.kind == "number"],
        categorical_columns=[feature.name for feature in columns if feature.kind == "category"],
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        run = Report([DataDriftPreset(columns=names)], include_tests=True).run(
            Dataset.from_pandas(after[names], definition), Dataset.from_pandas(before[names], definition)
        )
        result, page = run.dict(), run.get_html_str(as_iframe=False)
    found: dict[str, dict[str, Any]] = {}
    for metric in result["metrics"]:
        config = metric["config"]
        if "column" in config:
            found[config["column"]] = {
                "method": config["method"],
                "score": float(metric["value"]),
                "threshold": float(config["threshold"]),
            }
    for test in result["tests"]:
        name = test["metric_config"]["params"].get("column")
        if name in found:
            found[name]["drifted"] = str(getattr(test["status"], "value", test["status"])) == "FAIL"
    return found, page


def _plain_page(summary: dict[str, Any]) -> str:
    """The page where Evidently has nothing to say: it tells why."""
    rows = summary["rows"]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Drift</title>'
        '<body style="font-family:system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem">'
        f"<h1>Drift</h1><p>Nothing could be compared: {rows['reference']} reference and {rows['current']} current rows "
        f"(at least {FEWEST_ROWS} of each are needed, and a column with values on both sides).</p></body></html>\n"
    )


def _written(folder: Path, summary: dict[str, Any], page: str) -> dict[str, Any]:
    write_text(folder / PAGE, page)
    write_json(folder / SUMMARY, summary)
    return summary
