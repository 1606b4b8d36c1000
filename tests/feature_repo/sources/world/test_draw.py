import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.sources.world.draw import BEGINNING, Groups, choose, count_between, hour_fit, observed

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), max_size=30)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(rows=ROWS, key=st.integers(0, 3), start=st.integers(-6, 6), end=st.integers(-6, 6))
def test_count_between_takes_the_start_and_leaves_the_end(rows, key, start, end):
    keys, times = columns(rows)
    found = count_between(keys, times, np.array([key]), np.array([start]), np.array([max(start, end)]))
    assert found[0] == sum(k == key and start <= t < end for k, t in rows)


def test_count_between_reaches_back_to_the_beginning():
    rows = np.array([BEGINNING, 0])
    found = count_between(np.array([1, 1]), rows, np.array([1]), np.array([BEGINNING]), np.array([1]))
    assert found[0] == 2


@given(rows=ROWS, key=st.integers(0, 3), time=st.integers(-6, 6))
def test_groups_pick_only_rows_strictly_before(rows, key, time):
    keys, times = columns(rows)
    groups = Groups(keys, np.arange(len(rows)), times, 4)
    picked, found = groups.pick(np.random.default_rng(0), np.array([key]), np.array([time]), 5)
    earlier = {row for row, (k, t) in enumerate(rows) if k == key and t < time}
    assert groups.before(np.array([key]), np.array([time]))[0] == len(earlier)
    assert found[0] == bool(earlier)
    if found[0]:
        assert set(picked[0]) <= earlier


def test_choose_follows_the_scores():
    score = np.tile([0.0, np.log(3.0)], (20_000, 1))
    assert abs(choose(np.random.default_rng(0), score).mean() - 0.75) < 0.02


def test_hour_fit_is_highest_at_the_peak():
    assert np.allclose(hour_fit(np.array([13, 1, 37]) * 3_600, np.array([13.0, 13.0, 13.0])), [1, -1, 1])


def test_observed_is_a_rounded_unit_vector_near_the_latent_one():
    latent = np.eye(16)
    seen = observed(np.random.default_rng(0), latent, 0.15)
    assert seen.dtype == np.float32
    assert np.allclose(np.linalg.norm(seen, axis=1), 1, atol=0.01)
    assert (seen * latent).sum(axis=1).min() > 0.95
