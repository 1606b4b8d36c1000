"""Outcomes of served candidates: by the impression's id where a row has one, else by member, item, surface and time."""

import numpy as np
import pandas as pd

from models.spec import Spec
from models.time_units import HOUR

_SHOWN_WITHIN = pd.Timedelta(24 * HOUR, unit="us")
"""How long after serving an impression without an id may follow."""
_SAME = ["member", "item", "surface"]


def from_served(spec: Spec, served: pd.DataFrame, impressions: pd.DataFrame, now: int | None = None) -> pd.DataFrame:
    """Served candidates with the outcomes that followed, by time: the input of ``monitoring.traffic.summarise``.

    ``served``: the frame of ``models.served`` (times int64 microseconds). ``impressions``: the canonical table.
    ``now``: up to when it has the outcomes, microseconds UTC; None = the time of its last row.

    A row of ``impressions.served`` belongs to the candidate of that id, if member and item agree; of several rows the
    first with a label counts, of two at the same time the positive one. A row without an id belongs to the last
    candidate of its member, item and surface that was served at most 24 hours before it. A candidate without a row has
    no label (NaN). Neither has one for which the task's ``attribution`` has not passed at ``now``, whatever its outcome
    is so far: the positive ones are known first.
    """
    if served.empty:  # an empty log has no column of probabilities
        return pd.DataFrame({"time": pd.DatetimeIndex([], tz="UTC"), "surface": [], "label": [], "probability": []})
    attribution = pd.Timedelta(spec.tasks[spec.primary_task].attribution_time, unit="us")
    rows, shown = _candidates(spec, served), _shown(spec, impressions)
    found = _by_id(rows, shown[shown["impression"].notna()])
    rest = found["shown"].isna().to_numpy()
    without = shown[shown["impression"].isna()]
    found = pd.concat([found[~rest], _by_time(rows[rest], without)]).sort_values("place", ignore_index=True)
    if attribution and len(shown):
        end = shown["shown"].max() if now is None else pd.Timestamp(now, unit="us", tz="UTC")
        last = found[["time", "shown"]].max(axis=1)
        found.loc[last + attribution > end, "label"] = np.nan
    return found[["time", "surface", "label", "probability"]]


def _candidates(spec: Spec, served: pd.DataFrame) -> pd.DataFrame:
    rows = served[_SAME].astype(str)
    rows["time"] = pd.to_datetime(served["time"].astype("int64"), unit="us", utc=True).astype("datetime64[us, UTC]")
    rows["probability"] = served[f"probability_{spec.primary_task}"].astype(float)
    rows["impression"] = served["impression"].astype(object)
    rows = rows.sort_values("time", kind="stable", ignore_index=True)
    return rows.assign(place=np.arange(len(rows)))


def _shown(spec: Spec, impressions: pd.DataFrame) -> pd.DataFrame:
    shown = spec.impressions
    ids = None if shown.served is None else impressions[shown.served].astype(object)
    rows = pd.DataFrame(
        {
            "member": impressions[shown.member.column].astype(str),
            "item": impressions[shown.item.column].astype(str),
            "surface": impressions[shown.surface].astype(str),
            "shown": impressions[shown.time].astype("datetime64[us, UTC]"),
            "label": impressions[spec.tasks[spec.primary_task].label].astype(float),
            "impression": pd.Series(ids, index=impressions.index, dtype=object),
        }
    )
    return rows.sort_values("shown", kind="stable", ignore_index=True)


def _by_id(rows: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """Every candidate, with ``shown`` and ``label`` of the row that has its id; NaT and NaN for the others."""
    same = ["impression", "member", "item"]
    unknown = shown["label"].isna()
    shown = shown.assign(unknown=unknown).sort_values(
        ["unknown", "shown", "label"], ascending=[True, True, False], kind="stable"
    )
    shown = shown.drop(columns="unknown")
    return rows.merge(shown.drop_duplicates(same).drop(columns="surface"), on=same, how="left")


def _by_time(rows: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """Every candidate, with ``shown`` and ``label`` of the first row at or after its time that no later one has."""
    shown = shown.drop(columns="impression").assign(row=np.arange(len(shown)))
    joined = pd.merge_asof(
        rows, shown, left_on="time", right_on="shown", by=_SAME, direction="forward", tolerance=_SHOWN_WITHIN
    )
    earlier = joined["row"].notna() & joined.duplicated("row", keep="last")
    joined["label"] = joined["label"].mask(earlier)
    joined["shown"] = joined["shown"].mask(earlier)
    return joined.drop(columns="row")
