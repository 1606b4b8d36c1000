"""New vectors of a version, and the graph they were made from, against the version's profile."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.profiles.build import edges_of
from monitoring.profiles.version import read_profile

_FAR, _LEAST_SPREAD = 1.0, 0.05
"""Distance of the norms in standard deviations that is reported; a deviation is at least this share of the mean."""
_TIMES, _POINTS = 2.0, 0.2
"""Change of a degree, and of a domain's share of the edges, that is reported."""
_MOST = 20_000
"""The most vectors of a side that are compared, evenly spread, as those of the profile are."""


def unlike_profile(model: Path, graph: Path, vectors: Path) -> list[str]:
    """What of a graph and the vectors made from it is far from the version's profile: a sentence for each finding.

    Norms of the vectors by side, more than one standard deviation (Wasserstein distance of the quantiles); degrees, by
    edge type half or twice as high; shares of the edges by domain, 20 points. A graph that lost a source has such
    vectors, which no later monitor tells from members that changed. ``model``: a bundle, or a model artifact, of which
    nothing is known; ``graph``: a stored graph, of which the manifest is read; ``vectors``: the folder that
    ``models.training.embed`` writes. Figures without numbers count as far. Raises ProfileDocumentError.
    """
    profile, found = read_profile(model), list[str]()
    if profile is None:
        return []
    for side, before in profile.embeddings.items():
        now = _norms(vectors, side, before["values"])
        if not before["rows"] or not now["rows"]:
            continue
        distance = _distance(before, now)
        if not distance <= _FAR:
            text = (
                f"norms of the {side} vectors are {now['mean']:.3g} on average, {before['mean']:.3g} when the version "
            )
            found.append(f"{text}was registered ({distance:.1f} standard deviations)")
    if {"degree", "domains"} <= profile.graph.keys():
        now = edges_of(graph)
        found += _degrees(profile.graph["degree"], now["degree"]) + _domains(profile.graph["domains"], now["domains"])
    return found


def _norms(vectors: Path, side: str, values: int) -> dict[str, Any]:
    from models.training.norms import norms_of

    column = pq.read_table(vectors / f"{side}.parquet", columns=[f"{side}_tokens"]).column(0)
    kept = min(len(column), _MOST)
    lists = column.take(pa.array(np.arange(kept) * len(column) // max(kept, 1))).combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    return norms_of(flat.reshape(len(lists), -1)[:, :values] if len(lists) else np.empty((0, values)))


def _distance(before: Mapping[str, Any], now: Mapping[str, Any]) -> float:
    """Distance of the quantiles in standard deviations; NaN for vectors without numbers."""
    scale = max(before["deviation"], _LEAST_SPREAD * before["mean"]) or 1e-9
    return float(np.abs(np.array(before["quantiles"]) - np.array(now["quantiles"])).mean() / scale)


def _degrees(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    found = []
    for edge, degree in before.items():
        current = now.get(edge, 0.0)
        if degree > 0 and not degree / _TIMES <= current <= degree * _TIMES:
            found.append(f"{edge}: {current:.2f} edges by source node, {degree:.2f} when the version was registered")
    return found


def _domains(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    return [
        f"domain {domain}: {now.get(domain, 0.0):.0%} of the edges, {share:.0%} when the version was registered"
        for domain, share in before.items()
        if abs(now.get(domain, 0.0) - share) > _POINTS
    ]
