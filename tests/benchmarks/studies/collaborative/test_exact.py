"""Exact user-user columns against the definition, row by row, and their chunks."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from benchmarks.studies.collaborative import exact
from benchmarks.studies.collaborative.exact import exact_user_user
from feature_repo.collaborative.base import fit_base, member_effects, residuals
from feature_repo.collaborative.events import Events, Pairs
from models.collaborative.schedule import visible_cuts
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans
from models.time_units import DAY, HOUR, microseconds
from tests.feature_repo import tiny
from tests.feature_repo.collaborative.world import spec_of


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Spec, Path]:
    spec = spec_of()
    return spec, tiny.tables(spec, tmp_path_factory.mktemp("world"))


def asked() -> tuple[pa.Array, pa.Array, np.ndarray]:
    """Every member, known or not, with every item on five days: one before any event, one just when visible."""
    start = microseconds(tiny.START)
    days = [start, start + 2 * DAY + 5 * HOUR, start + 3 * DAY + 3 * HOUR, start + 3 * DAY + 3 * HOUR + 1]
    rows = [(m, p, time) for m in [*tiny.MEMBERS, None, 7] for p in [*tiny.POSTS, None, "p9"] for time in days]
    members, items, times = zip(*rows, strict=True)
    return pa.array(members, pa.int64()), pa.array(items, pa.string()), np.array(times)


def by_hand(pairs: Pairs, member: int, item: int) -> tuple[float, float]:
    mean, effects = fit_base(pairs)
    left = residuals(pairs, mean, member_effects(pairs, mean, effects), effects)
    seen = [set(pairs.item[pairs.member == one].tolist()) for one in range(len(pairs.members))]
    weights, values = [], []
    for other in range(len(pairs.members)):
        cosine = len(seen[member] & seen[other]) / np.sqrt(len(seen[member]) * len(seen[other]))
        if other != member and item in seen[other] and cosine >= 0.03:
            weights.append(cosine)
            values.append(left[(pairs.member == other) & (pairs.item == item)][0])
    total = sum(weights)
    return (np.dot(weights, values) / total if total else 0.0), total


@pytest.mark.parametrize("entries", [1, 8_000_000])
def test_each_row_is_the_definition(world: tuple[Spec, Path], entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "_ENTRIES", entries)
    spec, tables = world
    members, items, times = asked()
    found = exact_user_user(spec, "watched", tables, members, items, times)
    cuts = visible_cuts(spec.zone, collaborative_plans(spec)["watched"].delay, times)
    assert len(set(cuts.tolist())) == 3
    with duckdb.connect() as connection:
        events = Events(connection, spec, "watched", tables)
        for row, cut in enumerate(cuts.tolist()):
            pairs = events.before(cut)
            keys = pairs.members.to_pylist(), pairs.items.to_pylist()
            key = members[row].as_py(), items[row].as_py()
            if key[0] in keys[0] and key[1] in keys[1]:
                expected = by_hand(pairs, keys[0].index(key[0]), keys[1].index(key[1]))
                np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)
            else:
                assert np.isnan(found[row]).all()
    assert 0 < np.isnan(found[:, 0]).sum() < len(found) - 20


def test_no_rows(world: tuple[Spec, Path]) -> None:
    nothing = pa.array([], pa.int64()), pa.array([], pa.string()), np.zeros(0, np.int64)
    assert exact_user_user(world[0], "watched", world[1], *nothing).shape == (0, 2)
