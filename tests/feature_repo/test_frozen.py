import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.frozen import frozen_time
from models.spec.schema import WINDOW_ORDER
from models.time_units import DAY
from tests.feature_repo.tiny import tiny_spec

SPEC = tiny_spec(training={"member_lag_days": 3})
START, TRAIN = SPEC.span("graph").start, SPEC.span("train")


def moments(time: np.ndarray, keys: pa.Array | None = None) -> np.ndarray:
    """The frozen times of rows of the train window."""
    keys = pa.array(np.arange(len(time))) if keys is None else keys
    return frozen_time(SPEC, keys, time, np.full(len(time), "train", dtype=object))


def test_rows_to_train_on_are_frozen_anywhere_in_the_days_before() -> None:
    time = np.full(50_000, TRAIN.end - 1)
    days = (time - moments(time)) / DAY
    assert days.min() >= 0
    assert days.max() <= 3
    # Uniform: the standard error of a tenth is .0013.
    np.testing.assert_allclose(np.histogram(days, 10, (0, 3))[0] / len(days), 0.1, atol=0.006)


def test_no_row_to_train_on_is_frozen_before_the_graph_window() -> None:
    """Where fewer days lie behind the row, anywhere in those: two days here."""
    time = np.full(50_000, TRAIN.start)
    found = moments(time)
    assert found.min() > START
    np.testing.assert_allclose(np.histogram(found - START, 10, (0, 2 * DAY))[0] / len(found), 0.1, atol=0.006)


@pytest.mark.parametrize("window", ["validate", "gate", "test"])
def test_rows_to_evaluate_are_frozen_at_their_windows_start(window: str) -> None:
    start = SPEC.span(window).start
    time = np.array([start, start + 1, start + 2, start + DAY // 2])
    found = frozen_time(SPEC, pa.array(["a", "b", "c", "d"]), time, np.full(4, window, dtype=object))
    assert found.tolist() == [start, start + 1, start + 1, start + 1]


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.text(max_size=3), st.sampled_from(WINDOW_ORDER[1:]), st.integers(0, DAY - 1)), max_size=20
    )
)
def test_a_rows_moment_is_never_after_it_and_depends_on_no_other_row(rows: list[tuple[str, str, int]]) -> None:
    keys = pa.array([key for key, _, _ in rows], pa.string())
    time = np.array([SPEC.span(window).start + since for _, window, since in rows], dtype=np.int64)
    window = np.array([name for _, name, _ in rows], dtype=object)
    found = frozen_time(SPEC, keys, time, window)
    assert found.dtype == np.int64
    assert (found <= time).all()
    for place in range(len(rows)):
        alone = slice(place, place + 1)
        assert frozen_time(SPEC, keys[alone], time[alone], window[alone]).tolist() == [found[place]]


def test_without_a_lag_rows_to_train_on_are_frozen_at_their_own_time() -> None:
    spec = tiny_spec(training={"member_lag_days": 0})
    time = np.arange(TRAIN.start, TRAIN.start + 5)
    found = frozen_time(spec, pa.array(range(5)), time, np.full(5, "train", dtype=object))
    assert found.tolist() == time.tolist()
