"""Popularity prior: each item's rate per task in the train window. It ranks while the online store is unavailable."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from models.columns import SAMPLED
from models.filters import mask, settled
from models.spec import Spec
from models.spec.negative_references import negative_tasks

FILE = "popularity.parquet"
"""Its name in a bundle."""
_SMOOTHING = 20.0
"""Pseudo-impressions at the overall rate, the counters' default."""
_UNKNOWN = 0.5
"""The rate of a task without labels."""
_MOST = 200_000
"""Number of items kept, those with most impressions. Others get the overall rate."""


class Prior:
    """Rates by item and task. ``rates``: by task (I,) for I ``items``; ``overall``: by task, for any other item."""

    def __init__(
        self, items: Sequence[int | str], rates: Mapping[str, np.ndarray], overall: Mapping[str, float]
    ) -> None:
        self._places = {item: place for place, item in enumerate(items)}
        self._rates = {task: np.append(rates[task], overall[task]) for task in rates}  # the last place: anything else

    @classmethod
    def empty(cls, spec: Spec) -> "Prior":
        """A prior without data: all items are equal."""
        return cls([], {task: np.zeros(0) for task in spec.tasks}, dict.fromkeys(spec.tasks, _UNKNOWN))

    @classmethod
    def fit(cls, spec: Spec, training_set: Path) -> "Prior":
        """Fit on the train window's impressions, with the labels known when the window ended.

        Where negatives are sampled, only positives are counted: an item's odds are in proportion to its positives.
        """
        shown = spec.impressions
        filters = [column for task in spec.tasks.values() for column in task.filter]
        named = [shown.item.column, "window", *(task.label for task in spec.tasks.values()), *filters]
        path = training_set / "impressions.parquet"
        named += [shown.time, shown.settled] if shown.settled in parquet.read_schema(path).names else []
        rates_of = negative_tasks(spec)
        named += [SAMPLED] if rates_of else []
        frame = parquet.read_table(path, columns=list(dict.fromkeys(named))).to_pandas()
        frame = frame[(frame["window"] == "train") & settled(spec, frame)]
        frame = frame[frame[SAMPLED] == 0] if rates_of else frame
        exposures = frame[shown.item.column].value_counts()
        items = exposures.index[:_MOST]
        rates: dict[str, np.ndarray] = {}
        overall: dict[str, float] = {}
        for name, task in spec.tasks.items():
            kept = frame[mask(frame, task.filter) & frame[task.label].notna().to_numpy()]
            label = kept[task.label].astype(float)
            overall[name] = float(label.mean()) if len(label) else _UNKNOWN
            by_item = label.groupby(kept[shown.item.column]).agg(["sum", "count"]).reindex(items, fill_value=0)
            if name in rates_of:
                rates[name], overall[name] = _by_positives(by_item["sum"].to_numpy(), rates_of[name])
                continue
            smoothed = by_item["sum"] + _SMOOTHING * overall[name]
            rates[name] = (smoothed / (by_item["count"] + _SMOOTHING)).to_numpy()
        return cls(items.tolist(), rates, overall)

    def probabilities(self, items: Sequence[int | str]) -> dict[str, np.ndarray]:
        """Look up C items: by task, (C,) float64."""
        places = [self._places.get(item, -1) for item in items]
        return {task: rates[places] for task, rates in self._rates.items()}

    def most_shown(self, count: int) -> list[int | str]:
        """Up to ``count`` items by impressions in the train window, most first."""
        return list(islice(self._places, count))

    def write(self, path: Path, spec: Spec) -> None:
        """Write Parquet: one row per item, and one with a null key for all others."""
        kind = pa.int64() if spec.nodes[spec.impressions.item.node].key_type == "int" else pa.string()
        columns = {"item": pa.array([*self._places, None], kind)}
        parquet.write_table(
            pa.table({**columns, **{task: pa.array(rates) for task, rates in self._rates.items()}}), path
        )

    @classmethod
    def read(cls, source: Path | bytes) -> "Prior":
        """Read Parquet from a file or from its bytes."""
        table = parquet.read_table(pa.BufferReader(source) if isinstance(source, bytes) else source)
        rates = {name: table[name].to_numpy() for name in table.column_names if name != "item"}
        items = table["item"].to_pylist()[:-1]
        return cls(
            items, {task: values[:-1] for task, values in rates.items()}, {t: float(v[-1]) for t, v in rates.items()}
        )


def _by_positives(positives: np.ndarray, rate: float | None) -> tuple[np.ndarray, float]:
    """Probabilities (I,) in the order of ``positives`` (I,), and that of any other item.

    The mean item has the real ``rate`` (None = even odds), and twice the positives are twice the odds.
    """
    odds = 1.0 if rate is None else rate / (1 - rate)
    mean = float(positives.mean()) if len(positives) else 0.0
    found = odds * np.append(positives + _SMOOTHING, _SMOOTHING) / (mean + _SMOOTHING)
    probabilities = found / (1 + found)
    return probabilities[:-1], float(probabilities[-1])
