"""Densification: by hand on a few nodes, then against a comparison one by one."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph import densify as module
from models.graph.densify import Nodes, densify
from models.spec import Densification

BEFORE = 100


def nodes(degree: list[int], vector: Any, since: list[int] | None = None) -> Nodes:
    count = len(degree)
    return Nodes(
        index=np.arange(10, 10 + count, dtype=np.int64),
        since=np.array(since or [0] * count, np.int64),
        vector=np.array(vector, np.float32).reshape(count, np.shape(vector)[1]),
        degree=np.array(degree, np.int64),
    )


def rows(found: Nodes, **how: Any) -> list[tuple]:
    edges = densify(found, BEFORE, Densification(node="item", feature="topics", **how))
    assert edges.weight.dtype == np.float32
    columns = (edges.source, edges.target, edges.time, edges.weight.round(4))
    return list(zip(*(column.tolist() for column in columns), strict=True))


TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
ANGLES = [[np.cos(angle), np.sin(angle)] for angle in np.deg2rad([0, 90, 200, 5, 6, 7, 8, 9, 60, 30])]


def test_percentiles_are_of_nearest_rank_and_both_inclusive() -> None:
    """Of ten degrees 0..9 the 30th percentile is 2 and the 90th is 8: nodes 10 to 12 look at 18 (60) and 19 (30)."""
    found = rows(nodes(TEN, ANGLES, since=[3, 4, 5, 0, 0, 0, 0, 0, 1, 50]))
    cosine = {angle: round(float(np.cos(np.deg2rad(angle))), 4) for angle in (30, 60)}
    assert found == [
        (10, 19, 50, pytest.approx(cosine[30], abs=1e-4)),
        (10, 18, 3, pytest.approx(cosine[60], abs=1e-4)),
        (11, 18, 4, pytest.approx(cosine[30], abs=1e-4)),
        (11, 19, 50, pytest.approx(cosine[60], abs=1e-4)),
    ]  # 12 lies behind both: no edge of negative weight


def test_only_the_nearest_are_taken() -> None:
    assert [row[:2] for row in rows(nodes(TEN, ANGLES), neighbours=1)] == [(10, 19), (11, 18)]


def test_orthogonal_vectors_get_no_edge() -> None:
    vectors = [[0.0, 1.0]] * 3 + [[1.0, 0.0]] * 7
    assert rows(nodes(TEN, vectors)) == []
    vectors[0] = [0.1, 1.0]
    assert [row[:2] for row in rows(nodes(TEN, vectors))] == [(10, 18), (10, 19)]


def test_no_vector_no_edge() -> None:
    without = [*ANGLES[:9], [0, 0]]
    assert [row[:2] for row in rows(nodes(TEN, without))] == [(10, 18), (11, 18)]
    assert rows(nodes(TEN, [[0, 0]] * 10)) == rows(nodes([], np.zeros((0, 2)))) == []


def test_all_of_one_degree_are_few_and_none_are_many() -> None:
    assert rows(nodes([4] * 10, ANGLES)) == []


def test_a_node_that_comes_later_is_joined_but_chooses_nothing() -> None:
    """Born at or after the start of the train window: it gets edges, gives none, and moves no percentile."""
    early = rows(nodes(TEN, ANGLES))
    late = nodes([*TEN, 0, 99, 99], [*ANGLES, [1, 0], [1, 0], [0, 1]], since=[0] * 10 + [120, BEFORE, 150])
    found = rows(late)
    assert [row for row in found if row[2] < BEFORE] == early
    assert [row[:3] for row in found if row[2] >= BEFORE] == [(20, 19, 120), (20, 18, 120)]
    assert rows(nodes(TEN, ANGLES, since=[BEFORE] * 10)) == []


DEGREES = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@given(DEGREES, st.integers(0, 10_000), st.integers(1, 4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_edges_equal_a_comparison_one_by_one(degree: list[int], seed: int, neighbours: int, exact: bool) -> None:
    random = np.random.default_rng(seed)
    vector = random.normal(size=(len(degree), 3))
    since = random.integers(0, 2 * BEFORE, len(degree)).tolist()
    found = nodes(degree, vector, since)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_EXACT", len(degree) if exact else 0)
        edges = rows(found, neighbours=neighbours)
    known = sorted(one for one, moment in zip(degree, since, strict=True) if moment < BEFORE)
    if not known:
        assert edges == []
        return
    low, high = known[-(-len(known) * 3 // 10) - 1], known[-(-len(known) * 9 // 10) - 1]
    unit = vector / np.linalg.norm(vector, axis=1, keepdims=True)
    expected = []
    for one in range(len(degree)):
        many = [n for n in range(len(degree)) if since[n] < BEFORE and degree[n] >= high and degree[n] > low]
        closest = sorted(many, key=lambda n: -unit[one] @ unit[n])[:neighbours] if degree[one] <= low else []
        expected += [(10 + one, 10 + n, max(since[one], since[n])) for n in closest if unit[one] @ unit[n] > 0]
    assert [row[:3] for row in edges] == expected


SCRIPT = """
import hashlib
import numpy as np
from models.graph import densify as module
from models.spec import Densification
module._EXACT = 0
random = np.random.default_rng(0)
nodes = module.Nodes(
    np.arange(2000), random.integers(0, 9, 2000), random.normal(size=(2000, 8)).astype(np.float32),
    random.integers(0, 50, 2000),
)
dense = Densification(node="item", feature="topics", high_percentile=50)
for _ in range(2):
    edges = module.densify(nodes, 100, dense)
    print(len(edges.source), hashlib.sha256(b"".join(column.tobytes() for column in vars(edges).values())).hexdigest())
"""


def test_the_index_gives_the_same_edges_in_every_run_and_process() -> None:
    logged = [
        subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout.split("\n")
        for _ in range(2)
    ]
    (result,) = {line for lines in logged for line in lines if line}
    assert int(result.split()[0]) > 10_000


def test_weights_are_cosines_of_vectors_of_any_length() -> None:
    vectors = [[0.3, 0.0]] * 3 + [[0.0, 1.0]] * 5 + [[0.03, 0.04], [6.0, 8.0]]
    found = rows(nodes(TEN, vectors))
    assert sorted(row[:2] for row in found) == [(one, many) for one in (10, 11, 12) for many in (18, 19)]
    assert [row[3] for row in found] == pytest.approx([0.6] * 6, abs=1e-4)


def test_places_that_the_index_does_not_fill_get_no_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_search_among", lambda *_: lambda queries: np.array([[0, -1]] * len(queries)))
    assert [row[:2] for row in rows(nodes(TEN, ANGLES))] == [(10, 18), (11, 18)]


def test_an_index_with_few_vectors_fills_the_first_places(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = np.eye(3, dtype=np.float32)
    queries = np.array([[1.0, 0.2, 0.1], [0.1, 0.2, 1.0]], np.float32)
    monkeypatch.setattr(module, "_EXACT", 2)
    assert module._search_among(candidates, 5)(queries).tolist() == [[0, 1, 2, -1, -1], [2, 1, 0, -1, -1]]
    assert module._search_among(candidates, 5)(queries[:1]).tolist() == [[0, 1, 2, -1, -1]]


def test_few_candidates_are_searched_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index is made up to the limit; one more candidate needs it."""

    def made(*_: object, **__: object) -> None:
        raise LookupError

    monkeypatch.setattr("usearch.index.Index", made)
    monkeypatch.setattr(module, "_EXACT", 3)
    assert module._search_among(np.eye(3, dtype=np.float32), 1)(np.eye(3, dtype=np.float32)).tolist() == [[0], [1], [2]]
    with pytest.raises(LookupError):
        module._search_among(np.eye(4, dtype=np.float32), 1)
