"""Drift between two frames of features: computed from profiles, plotted by Evidently.

``models.profile``, which the quality gate of ``materialize`` uses too, compares each column on all rows, with missing
and infinite values as separate values. Evidently's HTML page shows that result next to the distributions of a sample.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from models.files import write_text
from models.profile import FEWEST_ROWS, PSI, VARIATION, ColumnShift, compare_columns, profile_rows
from models.spec import Feature
from monitoring.documents import write_json
from monitoring.errors import DriftError
from monitoring.snapshots import SnapshotPlace, keep_snapshot

PAGE = "drift.html"
SUMMARY = "drift.json"
DISTANCE = 0.1
"""A column whose distance is larger has drifted: PSI of numbers, total variation of categories."""
MOST_ROWS = 10_000
"""Most rows of each frame on Evidently's page."""
MOST_VALUES = 50
"""Most values of a category on Evidently's page; rarer ones become ``OTHER`` (thousands take Evidently a minute)."""
SEED = 7
OTHER = "(other)"
_METHOD = "heliograph"
_LARGEST_PLOTTED = 1e100
"""Variances of larger numbers overflow."""


def drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[Feature],
    folder: Path,
    snapshot: SnapshotPlace | None = None,
    others: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Compare the columns of two frames; write ``drift.html`` and ``drift.json`` to ``folder``; return the summary.

    ``snapshot``: where Evidently's workspace keeps the page too, one a day; None = nowhere. ``others``: entries of
    columns that were compared on rows of their own (``judged``), which the summary has too, but not Evidently's page.

    Only numbers and categories are compared, on all rows. A column has drifted if its distance is above 0.1 and beyond
    chance, or if the share of one of its values has changed: missing, infinite, below or above the reference's range, a
    frequent or a new value (by an exact test; by five percentage points, or to twice or half the odds).

    The summary: ``status`` (``stable``; ``drifted`` if any column has; ``not_enough_rows`` under 50 rows;
    ``nothing_to_compare``), ``share`` of drifted columns (None if nothing was compared), ``drifted`` names, ``dying``
    names (drifted columns that lose their values: more rows are missing or infinite, or one value of several is left),
    ``rows``, ``page`` (name of the HTML file) and ``columns``: by name ``kind``, ``missing`` (shares of rows without a
    finite value), ``infinite`` (shares), ``drifted`` and, where known, ``method``, ``score``, ``threshold``, ``psi``,
    ``js`` and ``wasserstein`` (of ``models.profile.ColumnShift``), ``changes`` ([{what, reference, current}]) and
    ``note``. A column that is empty on one side only has drifted; one that is empty on both is not compared. Raises
    DriftError for a missing column.
    """
    wanted = [feature for feature in columns if feature.kind in ("number", "category")]
    for side, frame in (("reference", reference), ("current", current)):
        absent = [feature.name for feature in wanted if feature.name not in frame]
        if absent:
            raise DriftError(
                f"drift, {side} frame: expected the column {absent[0]!r}; found {', '.join(map(str, frame.columns))}"
            )
    summary: dict[str, Any] = {
        "status": "nothing_to_compare",
        "share": None,
        "drifted": [],
        "dying": [],
        "rows": {"reference": len(reference), "current": len(current)},
        "page": PAGE,
        "columns": {},
    }
    if min(len(reference), len(current)) < FEWEST_ROWS:
        summary["status"] = "not_enough_rows"
        return _written(folder, summary, _plain_page(summary))
    before, after = _prepared(reference, wanted), _prepared(current, wanted)
    profiles = profile_rows(pa.table(before), wanted)
    shifts = compare_columns(profiles, profile_rows(pa.table(after), wanted, profiles))
    summary["columns"] = {feature.name: judged(feature, shifts[feature.name]) for feature in wanted}
    page = _evidently(before, after, wanted, summary["columns"], snapshot) or _plain_page(summary)
    summary["columns"] |= {name: dict(found) for name, found in (others or {}).items()}
    known = {name: found for name, found in summary["columns"].items() if found["drifted"] is not None}
    if known:
        summary["drifted"] = [name for name, found in known.items() if found["drifted"]]
        summary["dying"] = [name for name, found in known.items() if found.pop("dying")]
        summary["share"] = len(summary["drifted"]) / len(known)
        summary["status"] = "drifted" if summary["drifted"] else "stable"
    return _written(folder, summary, page)


def _prepared(frame: pd.DataFrame, columns: Sequence[Feature]) -> dict[str, pa.Array]:
    """Arrays by column: numbers in their own type, categories as text, null for missing values."""
    return {
        feature.name: _numbers(frame[feature.name]) if feature.kind == "number" else _names(frame[feature.name])
        for feature in columns
    }


def _numbers(values: pd.Series) -> pa.Array:
    values = pd.to_numeric(values, errors="coerce")
    if values.dtype.kind not in "biuf":
        values = values.astype(np.float64)
    return pa.array(values, from_pandas=True)


def _names(values: pd.Series) -> pa.Array:
    """Categories as text. Pandas reads integers with missing values as floats: 7.0 is the category 7."""
    code, distinct = pd.factorize(values)
    whole = (str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in distinct)
    names = np.array([*whole, None], dtype=object)  # -1 is missing
    return pa.array(names[code], pa.string())


def judged(feature: Feature, shift: ColumnShift, threshold: float = DISTANCE) -> dict[str, Any]:
    """The summary's entry of a column, which has drifted beyond a distance of ``threshold``."""
    missing = {
        "reference": shift.null_before + shift.infinite_before,
        "current": shift.null_now + shift.infinite_now,
    }
    infinite = {"reference": shift.infinite_before, "current": shift.infinite_now}
    found: dict[str, Any] = {"kind": feature.kind, "missing": missing, "infinite": infinite, "drifted": None}
    empty = [side for side, share in missing.items() if share == 1]
    if len(empty) == 2:
        return found | {"note": "no values on either side"}
    if empty:
        note = f"no values in the {empty[0]} rows"
        return found | {"drifted": True, "dying": empty == ["current"], "note": note}
    assert shift.distance is not None  # there are enough rows
    changes = [{"what": change.what, "reference": change.before, "current": change.now} for change in shift.changes]
    found |= {"method": PSI if feature.kind == "number" else VARIATION, "score": shift.distance, "threshold": threshold}
    found |= {"psi": shift.psi, "js": shift.js, "wasserstein": shift.wasserstein}
    found |= {"drifted": bool(changes) or shift.distance > threshold, "changes": changes, "dying": shift.dying}
    return found | ({"note": str(shift.changes[0])} if changes else {})


def _evidently(
    before: Mapping[str, pa.Array],
    after: Mapping[str, pa.Array],
    wanted: Sequence[Feature],
    judged: Mapping[str, Mapping[str, Any]],
    snapshot: SnapshotPlace | None,
) -> str | None:
    """Evidently's page with our score and verdict of every column that it can plot; None if it can plot none."""
    os.environ["DO_NOT_TRACK"] = "1"  # read by evidently.telemetry when an event would be sent
    os.environ["EVIDENTLY_DISABLE_TELEMETRY"] = "1"  # read by evidently.legacy on import
    from evidently import DataDefinition, Dataset, Report
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.presets import DataDriftPreset

    def verdict(reference: pd.Series, *_: Any) -> tuple[float, bool]:
        found = judged[str(reference.name)]
        return found["score"], found["drifted"]

    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    register_stattest(StatTest(_METHOD, "distance of profiles", kinds, DISTANCE), verdict)
    scored = [feature for feature in wanted if "score" in judged[feature.name]]
    old, new = (_sampled(side, [feature.name for feature in scored]) for side in (before, after))
    columns = [feature for feature in scored if feature.kind == "category" or _plottable(old, new, feature.name)]
    if not columns:
        return None
    names = [feature.name for feature in columns]
    definition = DataDefinition(
        numerical_columns=[feature.name for feature in columns if feature.kind == "number"],
        categorical_columns=[feature.name for feature in columns if feature.kind == "category"],
    )
    _fold_rare(old, new, [feature.name for feature in columns if feature.kind == "category"])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        preset = DataDriftPreset(columns=names, method=_METHOD, threshold=DISTANCE, drift_share=1 / (2 * len(names)))
        run = Report([preset], include_tests=True).run(
            Dataset.from_pandas(new[names], definition),
            Dataset.from_pandas(old[names], definition),
            timestamp=None if snapshot is None else snapshot.moment,
        )
        if snapshot is not None:
            keep_snapshot(snapshot, run)
        return run.get_html_str(as_iframe=False)


def _plottable(before: pd.DataFrame, after: pd.DataFrame, name: str) -> bool:
    """Whether numpy can make a histogram of the column: not if values are too far apart or too close."""
    sides = before[name].dropna(), after[name].dropna()
    try:
        with np.errstate(all="raise"):
            edges = [np.histogram(side)[1] for side in (*sides, pd.concat(sides))]
    except (ValueError, FloatingPointError):
        return False
    return bool(np.isfinite(edges).all() and max(np.abs(edge).max() for edge in edges) < _LARGEST_PLOTTED)


def _sampled(columns: Mapping[str, pa.Array], names: Sequence[str]) -> pd.DataFrame:
    """A fixed random sample of at most ``MOST_ROWS`` rows, plus one row for each column that the sample left empty."""
    frame = pd.DataFrame({name: columns[name].to_pandas() for name in names})
    for name in names:
        if not pa.types.is_string(columns[name].type):
            frame[name] = frame[name].astype(np.float64).replace([np.inf, -np.inf], np.nan)
    if len(frame) <= MOST_ROWS:
        return frame
    sample = frame.sample(n=MOST_ROWS, random_state=SEED)
    lost = [name for name in names if sample[name].isna().all()]
    kept = [frame[name].first_valid_index() for name in lost]
    return pd.concat([sample, frame.loc[kept]]).reset_index(drop=True)


def _fold_rare(before: pd.DataFrame, after: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        counts = pd.concat([before[name], after[name]]).value_counts()
        if len(counts) > MOST_VALUES:
            kept = set(counts.index[: MOST_VALUES - 1])
            for frame in (before, after):
                rare = frame[name].notna() & ~frame[name].isin(kept)
                frame.loc[rare, name] = OTHER


def _plain_page(summary: dict[str, Any]) -> str:
    """The page to show instead of Evidently's if it cannot plot anything."""
    rows = summary["rows"]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Drift</title>'
        '<body style="font-family:system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem">'
        f"<h1>Drift</h1><p>Nothing could be plotted: {rows['reference']} reference and {rows['current']} current rows "
        f"(at least {FEWEST_ROWS} of each are needed, and a column with values on both sides that can be plotted)."
        "</p></body></html>\n"
    )


def _written(folder: Path, summary: dict[str, Any], page: str) -> dict[str, Any]:
    write_text(folder / PAGE, page)
    write_json(folder / SUMMARY, summary)
    return summary
