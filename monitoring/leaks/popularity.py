"""How popular an item was strictly before a row: with sampled negatives, what tells positives from draws by itself."""

import numpy as np

_DAY = 86_400_000_000
_QUANTILES = 16


def popularity(item: np.ndarray, time: np.ndarray, positive: np.ndarray) -> dict[str, np.ndarray]:
    """By name, (rows,) float64: the log of the item's share of all positives strictly before, its positives of the last
    day, and microseconds since its first one (NaN = none). ``item`` codes, ``time`` microseconds, ``positive`` bool.
    """
    moments = np.unique(time)
    span, codes = len(moments) + 1, item.astype(np.int64)
    events = np.sort(codes[positive] * span + np.searchsorted(moments, time[positive]))
    first, begin = np.searchsorted(events, codes * span), np.searchsorted(moments, time)
    before = np.searchsorted(events, codes * span + begin) - first
    day = np.searchsorted(events, codes * span + np.searchsorted(moments, time - _DAY))
    total = np.searchsorted(np.sort(time[positive]), time)
    since = np.full(len(codes), np.nan)
    some = before > 0
    since[some] = time[some] - moments[events[first[some]] % span]
    share = np.log((before + 1) / (total + 1))
    return {"popularity": share, "recent": (before + first - day).astype(np.float64), "since": since}


def strata_of(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Strata (rows,) int64 of nearly equal scores (rows,), by the quantiles of positives and of negatives."""
    shares = np.linspace(0, 1, _QUANTILES + 1)[1:-1]
    parts = [scores[(labels == one) & ~np.isnan(scores)] for one in (0, 1)]
    edges = np.unique(np.concatenate([np.quantile(part, shares) for part in parts if len(part)] or [np.zeros(0)]))
    return np.searchsorted(edges, scores, side="right")
