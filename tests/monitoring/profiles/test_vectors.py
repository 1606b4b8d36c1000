"""New vectors and their graph against the profile of their version."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.profile import ColumnProfiles
from models.training.norms import norms_of
from monitoring.documents import write_json
from monitoring.profiles import VersionProfile, unlike_profile

VECTORS = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
COUNTS = {"clicked": 40, "followed": 60}


def graph(folder: Path, counts: dict[str, int]) -> Path:
    domains = {"clicked": "feed", "followed": "network"}
    edges = [{"name": name, "source": "member", "domain": domains[name]} for name in counts]
    document = {"counts": {"nodes": {"member": 10}, "edges": counts}, "schema": {"edges": edges}}
    write_json(folder / "graph" / "manifest.json", document)
    return folder / "graph"


def written(folder: Path, vectors: np.ndarray) -> Path:
    for side in ("member", "item"):
        tokens = (
            pa.FixedSizeListArray.from_arrays(vectors.ravel(), 8)
            if len(vectors)
            else pa.array([], pa.list_(pa.float32()))
        )
        pq.write_table(pa.table({f"{side}_tokens": tokens}), folder / f"{side}.parquet")
    return folder


def bundle(folder: Path) -> Path:
    norms = {"values": 6, **norms_of(VECTORS[:, :6])}
    known = {"degree": {"clicked": 4.0, "followed": 6.0}, "domains": {"feed": 0.4, "network": 0.6}, "cold": {}}
    profile = VersionProfile(ColumnProfiles({}), graph=known, embeddings={"member": norms, "item": norms})
    write_json(folder / "profile.json", profile.to_json())
    return folder


FOUND: dict[str, tuple[Callable[[np.ndarray], np.ndarray], dict[str, int], list[str]]] = {
    "the same": (lambda found: found, COUNTS, []),
    "other vectors alike": (lambda found: -found[::2], COUNTS, []),
    "zero": (lambda found: found * 0, COUNTS, ["member vectors", "item vectors"]),
    "twice as long": (lambda found: found * 2, COUNTS, ["member vectors", "item vectors"]),
    "not a number": (lambda found: found * np.nan, COUNTS, ["member vectors", "item vectors"]),
    "none": (lambda found: found[:0], COUNTS, []),
    "fewer edges": (lambda found: found, {"clicked": 30, "followed": 45}, []),
    "a source lost": (
        lambda found: found,
        {"clicked": 0, "followed": 60},
        ["clicked: 0.00", "feed: 0%", "network: 100%"],
    ),
    "an edge type gone": (lambda found: found, {"followed": 60}, ["clicked: 0.00", "feed: 0%", "network: 100%"]),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_is_far_is_said(case: str, tmp_path: Path) -> None:
    change, counts, expected = FOUND[case]
    found = unlike_profile(bundle(tmp_path), graph(tmp_path, counts), written(tmp_path, change(VECTORS)))
    assert len(found) == len(expected)
    assert all(part in sentence for part, sentence in zip(expected, found, strict=True))


def test_a_part_of_many_vectors_is_spread_over_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.profiles.vectors._MOST", 100)
    ordered = VECTORS[np.argsort(np.linalg.norm(VECTORS[:, :6], axis=1))]
    assert unlike_profile(bundle(tmp_path), graph(tmp_path, COUNTS), written(tmp_path, ordered)) == []


def test_a_profile_without_norms_and_graph_says_nothing(tmp_path: Path) -> None:
    assert unlike_profile(tmp_path, tmp_path, tmp_path) == []  # a model artifact
    write_json(tmp_path / "profile.json", VersionProfile(ColumnProfiles({}), graph={"cold": {}}).to_json())
    assert unlike_profile(tmp_path, tmp_path, tmp_path) == []


@given(st.integers(1, 60), st.floats(0.01, 100), st.integers(0, 2**32 - 1))
def test_norms_scale_with_the_vectors_and_have_no_order(rows: int, factor: float, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, 3))
    found, scaled = norms_of(vectors), norms_of(factor * vectors[::-1])
    assert scaled["mean"] == pytest.approx(factor * found["mean"])
    assert scaled["quantiles"] == pytest.approx([factor * one for one in found["quantiles"]])
    assert found["quantiles"] == sorted(found["quantiles"])
