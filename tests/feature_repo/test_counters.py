"""The counters against a count by hand, row by row, for every key and midnight."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.counters import count
from models.features import counter_columns, counter_keys
from models.spec import Spec
from tests.feature_repo.sources.fakes import instants, small_spec, small_tables

DAY = 86_400_000_000


def frame_of(rows: list[tuple[int, int, str, str, int]], spec: Spec) -> pd.DataFrame:
    """(settled minutes from the first midnight, member, post, surface, clicked) -> impressions."""
    start = spec.span("graph").start
    settled = pd.to_datetime([start + row[0] * 60_000_000 for row in rows], unit="us", utc=True).as_unit("us")
    columns: dict[str, Any] = {"settled_time": settled}
    for place, name in enumerate(("member_id", "post_id", "surface", "clicked"), start=1):
        columns[name] = [row[place] for row in rows]
    return pd.DataFrame(columns).astype({"member_id": "int64", "clicked": "int8"})


def by_hand(spec: Spec, name: str, shown: pd.DataFrame) -> dict[tuple, dict[int, tuple]]:
    """key -> midnight -> (exposures, rates), at every midnight."""
    counter = spec.counters[name]
    columns = {"member": "member_id", "item": "post_id", "surface": "surface"}
    keys = [columns[role] for role in counter.keys]
    until = max(spec.span("test").end, shown["settled_time"].astype("int64").max() if len(shown) else 0)
    length = (until - spec.span("graph").start) // DAY
    rows = shown[shown["surface"].isin(counter.filter.get("surface", ["feed", "mail"]))]
    settled = rows["settled_time"].astype("int64")
    result: dict[tuple, dict[int, tuple]] = {}
    for number in range(length + 1):
        midnight = spec.midnight(spec.windows.start + timedelta(days=number))
        seen = rows[settled < midnight]
        if counter.window_days:
            opened = spec.midnight(spec.windows.start + timedelta(days=number - counter.window_days))
            seen = seen[seen["settled_time"].astype("int64") >= opened]
        for key, _ in rows.groupby(keys):
            own = seen[(seen[keys] == list(key)).all(axis=1)]
            rates = []
            for task in spec.tasks.values():
                allowed = task.filter.get("surface", ["feed", "mail"])
                everywhere, mine = seen[seen["surface"].isin(allowed)], own[own["surface"].isin(allowed)]
                overall = everywhere["clicked"].sum() / len(everywhere) if len(everywhere) else np.nan
                smoothed = (mine["clicked"].sum() + counter.smoothing * overall) / (len(mine) + counter.smoothing)
                rates.append(np.float32(smoothed))
            result.setdefault(tuple(key), {})[midnight] = (len(own), *rates)
    return result


ROWS = st.lists(
    st.tuples(
        st.integers(-3 * 24 * 60, 9 * 24 * 60).map(lambda minute: minute // 360 * 360),  # many at midnight itself
        st.integers(1, 3),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["feed", "mail"]),
        st.integers(0, 1),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, window=st.sampled_from([None, 1, 3]), surfaces=st.sampled_from([["feed"], ["feed", "mail"]]))
@pytest.mark.parametrize("keys", [["member"], ["item", "surface"]])
def test_against_a_count_by_hand(keys: list[str], rows: list, window: int | None, surfaces: list[str]) -> None:
    document = small_spec().model_dump(mode="json", by_alias=True)
    document["counters"] = {
        "tried": {"keys": keys, "window_days": window, "filter": {"surface": surfaces}, "smoothing": 3}
    }
    spec = Spec.model_validate(document)
    shown = frame_of(rows, spec)
    counted = count(spec, {"impressions": shown})["tried"]
    columns = counter_columns(spec, "tried")
    names = counter_keys(spec, "tried")
    assert list(counted.columns) == [*names, "valid_from", *columns]
    assert not counted.duplicated([*names, "valid_from"]).any()
    expected = by_hand(spec, "tried", shown)
    found = {}
    for row in counted.itertuples(index=False):
        found.setdefault(tuple(row[: len(names)]), {})[row[len(names)].value // 1000] = tuple(row[len(names) + 1 :])
    for key, days in expected.items():
        exposures = 0
        for midnight, (shown_then, *rates) in days.items():
            row = found.get(key, {}).pop(midnight, None)
            if row is None:  # nothing changed
                assert shown_then == exposures
            else:
                assert row[0] == shown_then
                np.testing.assert_array_equal(np.array(row[1:], dtype=np.float32), np.array(rates, dtype=np.float32))
            exposures = shown_then
    assert not any(found.values())


def test_a_row_that_settles_at_midnight_counts_from_the_next_one() -> None:
    """In the small tables member 2's outcome settles at 2026-01-03 00:00 sharp."""
    frame = count(small_spec(), small_tables())["by_member"]
    second = frame[frame["member_id"] == 2]
    assert second["valid_from"].tolist() == instants(["2026-01-04"]).tolist()
    assert second["by_member_exposures"].tolist() == [1]
    assert second["by_member_click_rate"].tolist() == pytest.approx([(1 + 2 * 2 / 3) / 3])


def test_counts_that_leave_a_window_make_a_row() -> None:
    frame = count(small_spec(), small_tables())["by_post"]
    one = frame[(frame["post_id"] == "a") & (frame["surface"] == "feed")]
    assert one["valid_from"].tolist() == instants(["2026-01-02", "2026-01-04"]).tolist()
    assert one["by_post_exposures"].tolist() == [1, 0]
    assert frame["by_post_exposures"].dtype == "int64"
    assert frame["by_post_click_rate"].dtype == "float32"


def test_no_impressions_no_rows_and_no_counters_no_frames() -> None:
    shown = small_tables()["impressions"].iloc[:0]
    frames = count(small_spec(), {"impressions": shown})
    assert {name: len(frame) for name, frame in frames.items()} == {"by_member": 0, "by_post": 0}
    assert str(frames["by_member"]["valid_from"].dtype) == "datetime64[us, UTC]"
    assert count(small_spec().model_copy(update={"counters": {}}), {"impressions": shown}) == {}
