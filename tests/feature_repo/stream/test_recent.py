"""What the batch computes out of the tables is what the stream holds after all of their rows."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.stream.events import by_name
from feature_repo.stream.recent import recent
from feature_repo.views.pushed import EDGES, KEYS, PUSHED_AT, RECENT, TIMES, recent_schema
from models.features import VALID_FROM, counter_table
from models.parquet import ColumnNamesError
from models.spec.counter_plans import counter_plans
from models.time_units import SECOND
from tests.feature_repo.stream import product
from tests.feature_repo.stream.test_apply import Product, Pushed

LATEST = 2**60


@pytest.fixture(scope="module")
def tiny_product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return Product(tmp_path_factory.mktemp("product"))


def _history(chance: random.Random, count: int) -> list[Pushed]:
    """Settled impressions and likes on few distinct moments: ties abound."""
    found: list[Pushed] = []
    for number in range(count):
        member, post, time = chance.randrange(1, 3), chance.choice(list(product.TOPICS)), chance.randrange(0, 60, 5)
        if chance.random() < 0.3:
            found.append(("likes", product.like(member, post, time)))
            continue
        settled, surface = time + chance.randrange(0, 30, 5), chance.choice(["feed", "email"])
        row = product.impression(
            number, member, post, time, settled, chance.randrange(2), chance.randrange(101), surface=surface
        )
        found.append(("impressions", row))
    return found


def _write(folder: Path, history: list[Pushed]) -> None:
    rows = {table: [row for name, row in history if name == table] for table in ("impressions", "likes")}
    product.write_tables(folder, rows["impressions"], rows["likes"])


def _newest(table: pa.Table, keys: tuple[str, ...], time: str, view: str) -> dict[Any, Any]:
    """(view, keys) -> (time, values) of each key's newest row; the table is sorted by time."""
    found = {}
    moments = table[time].cast(pa.int64()).to_pylist()
    for moment, row in zip(moments, table.drop_columns(time).to_pylist(), strict=True):
        values = by_name(keys, [row.pop(key) for key in keys])
        found[view, values] = (moment, row)
    return found


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), count=st.integers(0, 40))
def test_the_stream_ends_where_the_batch_does(
    tiny_product: Product, tmp_path: Path, chance: random.Random, count: int
) -> None:
    history = _history(chance, count)
    _write(tmp_path, history)
    batch = _newest(recent(tiny_product.spec, tmp_path, LATEST), ("member_id",), PUSHED_AT, RECENT)
    for name, plan in counter_plans(tiny_product.spec).items():
        batch |= _newest(pq.read_table(tmp_path / f"{counter_table(name)}.parquet"), plan.keys, VALID_FROM, name)
    rows = tiny_product.rows()
    shuffled = chance.sample(history, len(history))
    tiny_product.push(rows, shuffled)
    assert tiny_product.held(rows, batch) == batch
    assert set(batch) == set(tiny_product.expected(history))
    rows.close()


def test_only_what_is_strictly_before_is_recent(tiny_product: Product, tmp_path: Path) -> None:
    _write(tmp_path, [("likes", product.like(1, post, time)) for post, time in (("p2", 5), ("p1", 5), ("p3", 6))])
    at = product.START + 6 * SECOND
    (row,) = recent(tiny_product.spec, tmp_path, at).to_pylist()
    assert (row[EDGES], row[KEYS], row[TIMES]) == (["liked"] * 2, ["p1", "p2"], [at - SECOND] * 2)
    assert recent(tiny_product.spec, tmp_path, at + 1)[KEYS].to_pylist() == [["p1", "p2", "p3"]]


def test_two_impressions_of_one_moment_are_two_activities(tiny_product: Product, tmp_path: Path) -> None:
    rows = [product.impression(number, 1, "p1", 5, 6, click=1) for number in (1, 2)]
    likes = [product.like(1, "p2", 6)] * 2
    _write(tmp_path, [*(("impressions", row) for row in rows), *(("likes", row) for row in likes)])
    assert recent(tiny_product.spec, tmp_path, LATEST)[KEYS].to_pylist() == [["p2", "p1", "p1"]]


def test_columns_that_sql_cannot_tell_apart_are_named(tiny_product: Product, tmp_path: Path) -> None:
    _write(tmp_path, [])
    likes = pq.read_table(tmp_path / "likes.parquet")
    pq.write_table(likes.append_column("Time", likes["time"]), tmp_path / "likes.parquet")
    with pytest.raises(ColumnNamesError, match="found 'time' and 'Time'"):
        recent(tiny_product.spec, tmp_path, LATEST)


def test_without_events_no_member_has_activities(tiny_product: Product, tmp_path: Path) -> None:
    _write(tmp_path, [])
    table = recent(tiny_product.spec, tmp_path, LATEST)
    assert table.num_rows == 0
    assert table.schema.equals(recent_schema(tiny_product.spec))
