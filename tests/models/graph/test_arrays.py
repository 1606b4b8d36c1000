"""Graphs out of plain arrays: sorted, each edge once, and nothing accepted that could not be an edge."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.arrays import edges_from_arrays
from models.graph.errors import GraphInputError
from models.graph.tensors import EdgeTensors

NONE = np.zeros(0, np.int64)
rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-2, 3), st.sampled_from([0.5, 1.0, 2.0])))


def listed(edges: EdgeTensors) -> list[tuple[int, int, int, float]]:
    """(owner, other, time, weight) of every row."""
    owner = torch.repeat_interleave(edges.offsets.diff())
    weight = edges.weight_of(torch.arange(len(owner)))
    return list(zip(owner.tolist(), edges.target.tolist(), edges.time.tolist(), weight.tolist(), strict=True))


@given(rows, st.sampled_from([1, 2**60]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_both_directions_equal_plain_sorting(events: list, unit: int, tensors: bool) -> None:
    """``unit`` spreads times so far that the fast sort does not fit; ties abound."""
    first: dict[tuple[int, int, int], float] = {}
    for source, target, time, weight in events:
        first.setdefault((source, target, time * unit), weight)
    expected = [(*edge, weight) for edge, weight in first.items()]
    columns: list[Any] = [np.array([e[place] for e in events], np.int64) for place in range(3)]
    columns[2] *= unit
    columns.append(np.array([event[3] for event in events], np.float64))
    if tensors:
        columns = [torch.from_numpy(column) for column in columns]
    forward, backward = edges_from_arrays(*columns, sources=5, targets=3)
    assert listed(forward) == sorted(expected, key=lambda e: (e[0], e[2]))
    assert listed(backward) == [
        (target, source, time, weight) for source, target, time, weight in sorted(expected, key=lambda e: (e[1], e[2]))
    ]
    assert (len(forward.offsets), len(backward.offsets)) == (6, 4)
    types = {"offsets": torch.int64, "target": torch.int32, "time": torch.int64, "weight": torch.float32}
    assert {name: getattr(forward, name).dtype for name in types} == types


@pytest.mark.parametrize("weight", [None, np.ones(3), np.ones(3, np.int8)])
def test_unit_weights_take_no_memory(weight: np.ndarray | None) -> None:
    for edges in edges_from_arrays(np.arange(3), np.arange(3), np.arange(3), weight, sources=3, targets=3):
        assert edges.weight.shape == (0,)


def test_columns_as_they_come_from_tables_are_taken() -> None:
    """Reversed, read-only, of the other byte order, unsigned: the user need not copy anything."""
    frozen = np.arange(3)
    frozen.flags.writeable = False
    plain = edges_from_arrays(np.array([2, 1, 0]), np.arange(3), np.arange(3), sources=3, targets=3)
    odd = edges_from_arrays(
        np.arange(3, dtype=np.uint8)[::-1], frozen, np.arange(3, dtype=">i8"), None, sources=3, targets=3
    )
    assert [listed(edges) for edges in plain] == [listed(edges) for edges in odd]


def test_attributes_go_with_their_edge() -> None:
    """In both directions; of what is the same edge, those of the first row."""
    source, target, time = np.array([1, 0, 1, 0]), np.array([0, 1, 0, 0]), np.array([5, 5, 5, 3])
    given = {"numbers": np.array([[0.0], [1.0], [2.0], [3.0]])[::1], "categories": torch.tensor([[1], [0], [2], [1]])}
    forward, backward = edges_from_arrays(source, target, time, sources=2, targets=2, **given)
    assert forward.numbers[:, 0].tolist() == [3, 1, 0]
    assert forward.categories[:, 0].tolist() == [1, 0, 1]
    assert backward.numbers[:, 0].tolist() == [3, 0, 1]
    assert (forward.numbers.dtype, forward.categories.dtype) == (torch.float32, torch.int32)
    plain, _ = edges_from_arrays(source, target, time, sources=2, targets=2)
    assert plain.numbers.shape == plain.categories.shape == (3, 0)
    with pytest.raises(GraphInputError, match=r"numbers: expected a row per edge, \(4, columns\); found shape \(4,\)"):
        edges_from_arrays(source, target, time, sources=2, targets=2, numbers=np.zeros(4))
    with pytest.raises(GraphInputError, match=r"categories: expected a row per edge.*found shape \(1, 2\)"):
        edges_from_arrays(source, target, time, sources=2, targets=2, categories=np.zeros((1, 2), np.int64))


def test_no_edges_and_no_nodes() -> None:
    for edges, owners in zip(edges_from_arrays(NONE, NONE, NONE, sources=2, targets=0), (2, 0), strict=True):
        assert edges.offsets.tolist() == [0] * (owners + 1)
        assert len(edges.target) == len(edges.time) == 0


GOOD: dict[str, Any] = {"source": [0, 1], "target": [1, 0], "time": [5, 6], "weight": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("time", np.array([1.0, np.nan]), "time: expected integers .*; found torch.float64, 1 of them NaN. Convert"),
        ("time", np.array([1.0, 2.0]), "time: expected integers .*; found torch.float64. Convert"),
        ("time", np.array(["2024-01-01"] * 2, "datetime64[us]"), r"time: .* found datetime64\[us\]. Convert"),
        ("time", np.array([2**64 - 5, 1], np.uint64), "time: .* found torch.uint64"),
        (
            "time",
            np.array([0, 2**62]),
            r"time: expected microseconds between -2\^62 and 2\^62; found 0 to 46116860",
        ),
        ("time", np.array([0, -(2**62)]), "time: expected microseconds .* Leave edges without a time out"),
        ("time", np.array([0]), "time: expected one per edge, 2 as in source; found 1"),
        ("time", np.array([None, 1]), "time: .* found object"),
        ("time", [0, 1], "time: .* found list"),
        ("source", np.array([-1, 0]), "source: expected 0 to 1, as sources is 2; found -1 to 0. Number the nodes"),
        ("source", np.array([0, 2]), "source: expected 0 to 1, .*; found 0 to 2"),
        ("source", np.array([False, True]), "source: expected integers .*; found bool"),
        ("source", torch.tensor([False, True]), r"source: expected integers .*; found torch\.bool\. Convert"),
        ("time", torch.tensor([1j, 1j]), "time: expected integers .*; found torch.complex64"),
        ("weight", torch.tensor([True, True]), "weight: expected real numbers .*; found torch.bool"),
        ("source", np.array([[0], [1]]), r"source: expected one dimension, \(rows,\); found shape \(2, 1\)"),
        ("target", np.array([0, 3]), "target: expected 0 to 2, as targets is 3; found 0 to 3"),
        ("target", np.array([0.0, 1.0], np.float32), "target: expected integers .*; found torch.float32"),
        ("target", np.array([0, 1, 1]), "target: expected one per edge, 2 as in source; found 3"),
        (
            "weight",
            np.array([1.0, np.nan]),
            "weight: expected finite numbers .*; found nan in row 1 and 0 more",
        ),
        ("weight", np.array([np.inf, 1.0]), "weight: .*; found inf in row 0"),
        ("weight", np.array([0.0, -1.0]), "weight: .*; found 0.0 in row 0 and 1 more"),
        ("weight", np.array([1.0, 1e-60]), "weight: .* in float32; found 1e-60 in row 1"),
        ("weight", np.array([1.0, 1e60]), "weight: .* in float32; found 1e.60 in row 1"),
        ("weight", np.array([1.0]), "weight: expected one per edge, 2 as in source; found 1"),
        ("weight", np.array([1j, 1j]), "weight: expected real numbers .*; found complex128"),
        ("weight", torch.tensor([1j, 1j]), "weight: expected real numbers .*; found torch.complex64"),
        ("weight", np.array(["1", "2"]), "weight: expected real numbers .*; found <U1"),
    ],
)
def test_what_cannot_be_an_edge_is_refused(column: str, value: Any, message: str) -> None:
    columns = {name: np.array(values) for name, values in GOOD.items()}
    assert edges_from_arrays(**columns, sources=2, targets=3)
    with pytest.raises(GraphInputError, match=message):
        edges_from_arrays(**{**columns, column: value}, sources=2, targets=3)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("numbers", np.array([[1.7e9], [1.7e9 + 1]]), "numbers, column 0: .*1700000001.0 in row 1, which float32"),
        ("numbers", np.array([[1, 2**24 + 1], [1, 1]]), "numbers, column 1: .*found 16777217 in row 0"),
        ("numbers", np.array([[1.0], [1e39]]), "found 1e.39 in row 1, which is infinite"),
        ("numbers", np.array([[np.nan], [np.inf]]), "numbers, column 0: expected finite numbers.* found inf in row 1"),
        ("numbers", np.array([[np.inf], [-np.inf]]), "numbers, column 0: .* found inf in row 0"),
        ("numbers", torch.tensor([[1j], [1.0]]), "numbers: expected real numbers .* found torch.complex64"),
        ("numbers", np.array([["1"], ["2"]]), "numbers: expected real numbers .* found <U1"),
        ("numbers", np.array([[None], [1.0]]), "numbers: expected real numbers .* found object"),
        ("numbers", np.ma.masked_array(np.ones((2, 1)), [[0], [1]]), "numbers: .* found a masked array"),
        ("numbers", torch.ones(2, 1).to_sparse(), "numbers: .* found a tensor of layout torch.sparse_coo"),
        ("categories", np.array([[1], [-1]]), "categories: expected codes from 1, .* found -1 to 1"),
        ("categories", np.array([[1], [2**40]]), r"below 2\^31; found 1 to 1099511627776"),
        ("categories", np.array([[0], [2**31]]), r"below 2\^31; found 0 to 2147483648"),
        ("categories", np.array([[1.0], [2.0]]), "categories: expected integers .* found torch.float64"),
    ],
)
def test_attributes_that_would_change_are_refused(name: str, values: Any, message: str) -> None:
    columns = {key: np.array(given) for key, given in GOOD.items()}
    with pytest.raises(GraphInputError, match=message):
        edges_from_arrays(**columns, sources=2, targets=3, **{name: values})


@pytest.mark.parametrize("values", [np.array([[1.5], [np.nan]], ">f8"), np.array([[0.0, 1.5], [0.0, np.nan]])[:, 1:]])
def test_attributes_of_any_layout_are_taken(values: np.ndarray) -> None:
    columns = {key: np.array(given) for key, given in GOOD.items()}
    forward, _ = edges_from_arrays(**columns, sources=2, targets=3, numbers=values)
    assert forward.numbers[:, 0].nan_to_num(-1).tolist() == [1.5, -1]


@pytest.mark.parametrize("count", [-1, 2**31, 2.0, True])
def test_counts_of_nodes_that_cannot_be_are_refused(count: int) -> None:
    with pytest.raises(GraphInputError, match=rf"targets: expected 0 to 2\^31 - 1 nodes; found {count}"):
        edges_from_arrays(NONE, NONE, NONE, sources=1, targets=count)


def test_the_largest_code_and_half_floats_are_taken() -> None:
    columns = {key: np.array(given) for key, given in GOOD.items()}
    codes, numbers = np.array([[0], [2**31 - 1]]), torch.tensor([[0.5], [torch.nan]], dtype=torch.bfloat16)
    forward, _ = edges_from_arrays(**columns, sources=2, targets=3, categories=codes, numbers=numbers)
    assert forward.categories.tolist() == [[0], [2**31 - 1]]
    assert forward.numbers.nan_to_num(-1).tolist() == [[0.5], [-1]]


@pytest.mark.parametrize("time", [2**62 - 1, -(2**62) + 1])
def test_edges_at_the_ends_of_time_are_sorted_by_owner(time: int) -> None:
    source = np.array([2, 0, 1])
    forward, backward = edges_from_arrays(source, np.arange(3), np.full(3, time), sources=3, targets=3)
    assert listed(forward) == [(0, 1, time, 1), (1, 2, time, 1), (2, 0, time, 1)]
    assert listed(backward) == [(0, 2, time, 1), (1, 0, time, 1), (2, 1, time, 1)]
