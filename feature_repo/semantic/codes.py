"""The table of a block: the codes of every node at every cut at which its events had changed."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from feature_repo.semantic.events import Events, events_of
from feature_repo.semantic.kept import KeptQuantizers
from models import clock
from models.features import VALID_FROM
from models.midnights import midnights
from models.semantic.config import QuantizerConfig
from models.semantic.errors import SemanticError
from models.semantic.measures import use
from models.semantic.packing import bytes_per_key
from models.semantic.quantizer import Quantizer, fit_quantizer
from models.spec import Spec
from models.spec.semantic_ids import MOST_WIDTH, SemanticIds, code_features, level_feature
from models.time_units import HOUR

_LONGEST_DAY = 26 * HOUR
_DIGITS = 8
"""Of the quantizer's digest, before a code."""


class Means(NamedTuple):
    """The mean vectors of the nodes whose events changed since the cut before."""

    cut: int
    """Microseconds UTC; events strictly before it count."""
    node: np.ndarray
    """(n,) int64."""
    vectors: np.ndarray
    """(n, d) float32."""


def codes(
    spec: Spec, name: str, tables: Mapping[str, pd.DataFrame], kept: KeptQuantizers
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of a block, and what the manifest says of it.

    ``tables``: the canonical tables. Columns: the key, ``valid_from`` = cut + delay, residual codes as text with a part
    of the quantizer's digest before them, so that no model reads codes of another quantizer, and the rounded
    dimensions, (D,) float32 lists. Raises SemanticError.
    """
    block, events = spec.semantic_ids[name], events_of(spec, name, tables)
    before = spec.span("train").start
    every = list(means(events, _cuts(spec, events)))
    first = _newest([one for one in every if one.cut + block.delay_time <= before], events.vectors.shape[1])
    settings = _settings(block) | {"size": events.vectors.shape[1]}
    quantizer, digest = kept.quantizer(settings, before, lambda: _fit(name, block, first, before))
    table = pd.concat([_rows(spec, name, quantizer, digest, events.keys, one) for one in every or [_none(events)]])
    found = use(quantizer.encode(torch.from_numpy(first)).residual, block.codes)
    facts = {
        "quantizer": digest,
        "fitted_to": quantizer.rows,
        "bytes_per_key": bytes_per_key(quantizer.config, len(quantizer.frame.scale)),
        "perplexity": [round(one.perplexity, 1) for one in found if one.perplexity == one.perplexity],
        "dead": [one.dead for one in found],
    }
    return table.reset_index(drop=True), facts


def means(events: Events, cuts: list[int]) -> Iterator[Means]:
    """Cut by cut, ascending: the weighted mean of all events before the cut, of the nodes with one since the last."""
    sums = np.zeros((len(events.keys), events.vectors.shape[1]))
    weight = np.zeros(len(events.keys))
    start = 0
    for cut in cuts:
        end = int(np.searchsorted(events.time, cut))
        node = events.node[start:end]
        np.add.at(sums, node, events.weight[start:end, None] * events.vectors[start:end])
        np.add.at(weight, node, events.weight[start:end])
        changed, start = np.unique(node), end
        yield Means(cut, changed, (sums[changed] / weight[changed, None]).astype(np.float32))


def _none(events: Events) -> Means:
    """No rows, which still have their columns."""
    return Means(0, np.zeros(0, np.int64), events.vectors[:0])


def _cuts(spec: Spec, events: Events) -> list[int]:
    """The midnights from the first event to the one after the last, which are past."""
    if not len(events.time):
        return []
    last = int(events.time[-1])
    every = midnights(int(events.time[0]), last + _LONGEST_DAY, spec.timezone)
    return [cut for cut in every[: int(np.searchsorted(every, last, side="right")) + 1] if cut <= clock.now()]


def _newest(parts: list[Means], size: int) -> np.ndarray:
    """The newest vector of every node in these parts: (n, d) float32, by node."""
    found: dict[int, np.ndarray] = {}
    for part in parts:
        found |= dict(zip(part.node.tolist(), part.vectors, strict=True))
    return np.stack([found[node] for node in sorted(found)]) if found else np.zeros((0, size), np.float32)


def _settings(block: SemanticIds) -> dict[str, Any]:
    """What a quantizer depends on beside its vectors."""
    return {key: value for key, value in block.model_dump().items() if key != "delay"}


def _fit(name: str, block: SemanticIds, vectors: np.ndarray, before: int) -> Quantizer:
    config = QuantizerConfig(
        kind=block.kind,
        levels=block.levels,
        codes=block.codes,
        fsq_levels=block.fsq_levels,
        fsq_width=MOST_WIDTH,
        seed=block.seed,
    )
    needed = 2 if block.kind == "fsq" else 2 * block.codes
    if len(vectors) < needed:
        day = pd.Timestamp(before, unit="us", tz="UTC")
        raise SemanticError(
            f"semantic_ids.{name}: expected at least {needed:,} nodes {block.node!r} with events at a midnight whose "
            f"codes are visible before the train window ({day}); found {len(vectors):,}. Lower `codes`, or begin the "
            "train window later"
        )
    return fit_quantizer(torch.from_numpy(vectors), config)


def _rows(spec: Spec, name: str, quantizer: Quantizer, digest: str, keys: pd.Index, means_: Means) -> pd.DataFrame:
    """The codes of one cut."""
    block = spec.semantic_ids[name]
    found = quantizer.encode(torch.from_numpy(means_.vectors))
    _, middles = quantizer.decode(found)
    visible = pd.Timestamp(means_.cut + block.delay_time, unit="us", tz="UTC").as_unit("us")
    columns: dict[str, Any] = {spec.nodes[block.node].key: keys[means_.node], VALID_FROM: visible}
    for place, feature in enumerate(code_features(name, block)):
        codes_ = found.residual[:, place].tolist()
        columns[feature] = [f"{digest[:_DIGITS]}:{code}" if code else None for code in codes_]
    if block.kind != "rq":
        columns[level_feature(name)] = list(middles.numpy())
    return pd.DataFrame(columns)
