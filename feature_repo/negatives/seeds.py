"""The canonical table ``seeds``: the positives of a log to train and judge on, and their sampled negatives.

It is a table of its own, so nothing that reads the impressions (counters, edges, activities, collaborative snapshots)
ever sees a sampled row. Only retrieval reads it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.negatives.draw import Positives, draw, left_out
from feature_repo.negatives.errors import NegativesError
from feature_repo.negatives.log import Log, read_log
from models.columns import SAMPLED
from models.graph.hashing import hash_integers, hash_keys
from models.spec import Spec
from models.spec.negative_references import negative_tasks
from models.spec.negatives import SampleNegatives
from models.spec.windows import WINDOW_ORDER

_WINDOWS = WINDOW_ORDER[1:]
_LOW = 2**62
_MARK = "\x01"
"""Between the key of a positive and the number of its negative: no key of a product has it."""


class SampledSeeds(NamedTuple):
    """What the draw has made."""

    frame: pd.DataFrame
    """Columns of the impressions and ``sampled``; times ascend."""
    facts: dict[str, Any]
    """For the manifest: the rate, and by window the positives, those left out by reason, and the negatives."""


def seeds(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> SampledSeeds:
    """Draw the negatives of the positives in the windows train to test of a spec whose windows have dates.

    ``tables``: canonical frames. A negative has the time, settled time, member, surface and context of its positive,
    another item, and 0 for the tasks for which it is a negative; all other outcomes are null. A positive that gets none
    (``draw``) is no seed. Raises NegativesError for a log with rows that are no positives, for times of ``alive`` that
    are none, and where a window keeps no positive.
    """
    sampling = spec.impressions.sample_negatives
    assert sampling is not None
    shown = tables[spec.impressions.table]
    log = read_log(spec, sampling, tables)
    asking = np.flatnonzero(log.positive & (_window_of(spec, log.time) >= 0))
    positives = _positives(spec, sampling, log, shown, asking)
    items = draw(sampling, log.life, log.chosen, positives)
    kept = np.asarray((items >= 0).all(axis=1))
    frame, kept = _with_negatives(spec, shown, log, asking, items, kept)
    reasons = left_out(sampling, log.life, log.chosen, positives)
    facts = _facts(spec, sampling, _window_of(spec, log.time[asking]), kept, reasons)
    _check(facts)
    return SampledSeeds(frame, facts)


def _positives(spec: Spec, sampling: SampleNegatives, log: Log, shown: pd.DataFrame, rows: np.ndarray) -> Positives:
    """Those rows of the log, with what a draw needs of them."""
    keys = shown[spec.impressions.key].iloc[rows]
    oldest = log.day[rows] - sampling.days if sampling.by == "recent" else None
    hashes = hash_keys(pa.Array.from_pandas(keys))
    return Positives(hashes, log.member[rows], log.item[rows], log.life.asked(log.time[rows], oldest))


def _with_negatives(
    spec: Spec, shown: pd.DataFrame, log: Log, asking: np.ndarray, items: np.ndarray, kept: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """The seeds in order of time, and which positives are among them, (asking,) bool."""
    impressions, each = spec.impressions, items.shape[1]
    keys = _keys(shown[impressions.key].iloc[asking], each)
    kept = kept & ~_collides(keys, shown[impressions.key], each)
    chosen = np.repeat(asking[kept], each)
    sampled = shown.iloc[chosen].drop(columns=[*impressions.outcomes, *filter(None, [impressions.served])])
    sampled[impressions.key] = keys[np.repeat(kept, each)]
    sampled[impressions.item.column] = log.items[items[kept].ravel()].to_numpy()
    for label in {spec.tasks[name].label for name in negative_tasks(spec)}:
        sampled[label] = pd.array([0] * len(sampled), "Int64")
    others = np.flatnonzero(~log.positive & (_window_of(spec, log.time) >= 0))
    real = shown.iloc[np.sort(np.concatenate([asking[kept], others]))]
    # A column that lacks values stays one of whole numbers.
    whole = [name for name in impressions.outcomes if pd.api.types.is_integer_dtype(real[name].dtype)]
    parts = [real.astype(dict.fromkeys(whole, "Int64")), sampled]
    frame = pd.concat([part.assign(**{SAMPLED: np.int8(place)}) for place, part in enumerate(parts)])
    return frame.sort_values([impressions.time, impressions.key], kind="stable", ignore_index=True), kept


def _keys(keys: pd.Series, each: int) -> np.ndarray:
    """(rows * each,) keys of negatives: of integers below -2^62, of text the positive's with a mark and a number."""
    if pd.api.types.is_integer_dtype(keys.dtype):
        mixed = hash_integers(keys.to_numpy(np.int64))[:, None] + np.arange(each)[None, :]
        return -_LOW - (hash_integers(mixed.ravel()) & (_LOW - 1)) - 1
    return np.array([f"{key}{_MARK}{place}" for key in keys for place in range(each)], dtype=object)


def _collides(keys: np.ndarray, real: pd.Series, each: int) -> np.ndarray:
    """(rows,) bool: positives with a negative whose key another row has; among 2^62 that is rare."""
    twice = pd.Series(keys).duplicated().to_numpy() | np.isin(keys, real.to_numpy())
    return np.asarray(twice.reshape(-1, each).any(axis=1))


def _window_of(spec: Spec, time: np.ndarray) -> np.ndarray:
    """(rows,) the position of each time's window among train to test, -1 outside."""
    spans = [spec.span(name) for name in _WINDOWS]
    place = np.searchsorted([*(span.start for span in spans), spans[-1].end], time, side="right") - 1
    return np.where(place < len(spans), place, -1)


def _facts(
    spec: Spec, sampling: SampleNegatives, window: np.ndarray, kept: np.ndarray, reasons: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    windows = {}
    for place, name in enumerate(_WINDOWS):
        inside = window == place
        positives, seeded = int(inside.sum()), int((inside & kept).sum())
        why = {reason: int((inside & bad & ~kept).sum()) for reason, bad in reasons.items()}
        windows[name] = {
            "positives": positives,
            "seeds": seeded,
            "negatives": seeded * sampling.per_positive,
            "left_out": {reason: rows for reason, rows in why.items() if rows},
        }
    return {
        "by": sampling.by,
        "per_positive": sampling.per_positive,
        "rate": 1 / (1 + sampling.per_positive),
        "real_rate": negative_tasks(spec),
        "windows": windows,
    }


def _check(facts: Mapping[str, Any]) -> None:
    for name, found in facts["windows"].items():
        if found["positives"] and not found["seeds"]:
            why = ", ".join(f"{reason} ({rows})" for reason, rows in found["left_out"].items())
            several = " since (a row may have several reasons)" if len(found["left_out"]) > 1 else " since"
            raise NegativesError(
                f"impressions.sample_negatives: expected positives in the {name} window with {facts['per_positive']} "
                f"items to draw as negatives; found none of {found['positives']},{several}: {why or 'too few items'}. "
                "Lower per_positive, say with `alive` when items begin, or make the graph window longer"
            )
