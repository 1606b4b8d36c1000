"""Drift of the features of members and items: every kind is compared, by what, and from which distance."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring import node_drift as module
from monitoring.node_drift import day_columns, node_drift, sampled, served
from tests.factories.tiny import tiny_spec

SPEC = tiny_spec()
WORDS = ["news of the day", "football results", "a new film", "weather report", "stocks fall"]

MEAN = np.array([3.0, 0.0, 0.0])


def rows(count: int = 600, seed: int = 0, **changes: Any) -> pa.Table:
    random = np.random.default_rng(seed)
    columns = {
        "seniority": pa.array(random.normal(size=count), pa.float32()),
        "country": pa.array(random.choice(["de", "fr"], count)),
        "streak": pa.array(random.integers(0, 5, count), pa.float32()),
        "topic": pa.array(random.choice(["x", "y"], count)),
        "title": pa.array(random.choice(WORDS, count), pa.string()),
        "embedding": pa.array((random.normal(size=(count, 3)) + MEAN).tolist(), pa.list_(pa.float32())),
    }
    return pa.table({**columns, **changes})


def drifted(current: pa.Table, reference: pa.Table | None = None) -> set[str]:
    found = node_drift(SPEC, rows() if reference is None else reference, current)
    return {name for name, entry in found.items() if entry["drifted"]}


def test_the_same_features_have_not_drifted() -> None:
    found = node_drift(SPEC, rows(), rows(400, seed=1))
    vectors, texts = {"embedding (norm)", "embedding (direction)"}, {"title (length)", "title (words)"}
    assert set(found) == {"seniority", "country", "streak", "topic"} | vectors | texts
    assert not [name for name, entry in found.items() if entry["drifted"]]


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("seniority", pa.array(np.full(600, 3.0), pa.float32()), {"seniority"}),
        ("country", pa.array(["us"] * 600), {"country"}),
        ("title", pa.array(["football results"] * 600), {"title (length)", "title (words)"}),
        ("title", pa.array(["weather of day", "stocks of film"] * 300), {"title (length)", "title (words)"}),
        ("title", pa.array([None] * 300 + WORDS * 60, pa.string()), {"title (length)", "title (words)"}),
        ("title", pa.array([""] * 300 + WORDS * 60), {"title (length)", "title (words)"}),
        ("embedding", pa.array([[30.0, 0.0, 0.0]] * 600, pa.list_(pa.float32())), None),
        ("embedding", pa.array([None] * 200 + [[3.0, 0.0, 0.0]] * 400, pa.list_(pa.float32())), None),
    ],
)
def test_a_change_of_one_feature_is_its_own(name: str, column: pa.Array, expected: set[str] | None) -> None:
    expected = {"embedding (norm)", "embedding (direction)"} if expected is None else expected
    assert drifted(rows(seed=1, **{name: column})) == expected


def test_vectors_that_turn_keep_their_norm() -> None:
    turned = (np.random.default_rng(0).normal(size=(600, 3)) + MEAN)[:, ::-1]
    column = pa.array(turned.tolist(), pa.list_(pa.float32()))
    assert drifted(rows(seed=1, embedding=column)) == {"embedding (direction)"}


def test_a_feature_without_values_is_dying_and_one_empty_on_both_sides_is_not_compared() -> None:
    gone = {"title": pa.nulls(600, pa.string()), "embedding": pa.nulls(600, pa.list_(pa.float32()))}
    found = node_drift(SPEC, rows(), rows(**gone))
    assert {name for name, entry in found.items() if entry.get("dying")} == {
        *("title (length)", "title (words)", "embedding (norm)", "embedding (direction)")
    }
    both = node_drift(SPEC, rows(**gone), rows(**gone))
    assert both["title (words)"]["drifted"] is both["embedding (norm)"]["drifted"] is None


def test_the_threshold_is_that_of_the_views_expectations() -> None:
    nodes = {name: node.model_dump(exclude_unset=True) for name, node in SPEC.nodes.items()}
    nodes["member"]["views"]["member_profile"]["expectations"] = {"seniority": {"drift": 9.0}}
    moved = rows(seed=1, seniority=pa.array(np.random.default_rng(1).normal(0.6, 1, 600), pa.float32()))
    assert drifted(moved) == {"seniority"}
    found = node_drift(tiny_spec(nodes=nodes), rows(), moved)
    assert (found["seniority"]["threshold"], found["streak"]["threshold"]) == (9.0, 0.1)


def test_too_few_rows_and_tables_without_features_are_not_compared(tmp_path: Path) -> None:
    assert node_drift(SPEC, rows(), rows(49)) == {}
    assert node_drift(SPEC, pa.table({"x": range(99)}), pa.table({"x": range(99)})) == {}
    pq.write_table(rows().append_column("window", pa.array(["train"] * 600)), tmp_path / "rows.parquet")
    assert sampled(tmp_path / "rows.parquet", "test", SPEC).num_rows == 0


def test_rows_are_sampled_evenly_from_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    table = rows(900, streak=pa.array(range(900), pa.float32()))
    table = table.append_column("window", pa.array(["train", "test"] * 450))
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=70)
    streaks = sampled(tmp_path / "rows.parquet", "test", SPEC)["streak"].to_pylist()
    assert (len(streaks), streaks[0], {int(one) % 2 for one in streaks}) == (100, 1, {1})
    assert np.diff(streaks).max() <= 10


def test_what_was_served_is_read_as_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    shown = pa.table({"member": [2**62, 2, 3, 4], "item": list("abcd"), "served": [10, 20, 30, 40]})
    asked: list[Any] = []

    def retrieve(keys: Any, times: np.ndarray) -> dict[str, pa.ChunkedArray]:
        asked.append(({name: one.tolist() for name, one in keys.items()}, times.tolist()))
        return {"topic": pa.chunked_array([["x", "y"]])}

    assert served(SPEC, shown, retrieve)["topic"].to_pylist() == ["x", "y"]
    assert asked == [({"member_id": [2**62, 3], "post_id": ["a", "c"]}, [10, 30])]


def test_a_days_columns_have_the_features_of_what_a_model_ranked() -> None:
    whole = rows(60)
    shown = {"member": range(60), "item": [f"p{one}" for one in range(60)], "served": range(1, 61)}
    table = pa.table({**shown, "fallback": [False] * 50 + [True] * 9 + [None]})

    def retrieve(keys: Any, times: np.ndarray) -> dict[str, pa.ChunkedArray]:
        return {name: whole[name].take(pa.array(times - 1)) for name in whole.column_names}

    found = day_columns(SPEC, retrieve, table)
    vectors, texts = {"embedding (norm)", "embedding (direction)"}, {"title (length)", "title (words)"}
    assert set(found) == {"seniority", "country", "streak", "topic"} | vectors | texts
    assert {(column["rows"], column["node"]) for column in found.values()} == {(51, True)}
    assert {name for name, column in found.items() if column["kind"] == "category"} == {"country", "topic"}
    impossible = table.set_column(2, "served", pa.array([-5, 2**62] * 30))
    assert day_columns(SPEC, retrieve, impossible) == day_columns(SPEC, retrieve, table.slice(0, 0)) == {}
