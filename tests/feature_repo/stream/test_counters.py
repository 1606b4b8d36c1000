"""Stream state of one counter key: the row, the log's limits, and rows from elsewhere or ahead of the clock."""

from typing import Any

import pytest

from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.stream.counters import CountedKey
from feature_repo.stream.event_log import EventLog
from feature_repo.stream.packed_rows import Row
from models.counters.fold import Settled, Shown
from models.counters.plan import CounterPlan, RatePlan

RATES = (RatePlan("click", "click", 1, {}), RatePlan("share", "percent", 10, {}))
PLAN = CounterPlan("c", ("k",), ("k",), {}, True, RATES, 0.0, None, True, 2)
LATEST = 1_000


def state(shown: int, settled: int, sums: tuple[int, int], at: int, clicks: Any = (), shares: Any = ()) -> dict:
    """Counts, the sums of both rates, the time of the last exposure, the last outcomes of both."""
    counts = {"c_shown": shown, "c_settled": settled, "c_click_sum": sums[0], "c_share_sum": sums[1]}
    return {**counts, "c_shown_last": at, "c_click_last": [*clicks], "c_share_last": [*shares]}


def read(row: Row | None, log: EventLog | None = None) -> CountedKey:
    return CountedKey.read(PLAN, row, None if log is None else log.write(), LATEST)


def test_events_in_any_order_are_counted_and_logged_in_order() -> None:
    key = read(None)
    for event in (Settled(9, 1, (1, 4)), Shown(7), Settled(8, 2, (0, 3)), Settled(10, 3, (1, 5))):
        assert key.apply(event) is True
    assert key.row == Row(10, 0, state(1, 3, (2, 12), 7, [1, 1], [4, 5]))
    logged = [[7, 0, "", []], [8, 1, 2, [0, 3]], [9, 1, 1, [1, 4]], [10, 1, 3, [1, 5]]]
    assert key.log == EventLog(at=10, events=logged)
    again = read(key.row, key.log)
    assert (again.row, again.log, again.ahead) == (key.row, key.log, False)


def test_the_log_holds_128_events_and_the_last_outcomes_among_them() -> None:
    key = read(None)
    for number in (1, 2, 3):
        assert key.apply(Settled(number, number, (number % 2, number)))
    for number in range(127):
        assert key.apply(Shown(10 + number))
    assert len(key.log.events) == 128
    assert [event[:2] for event in key.log.events[:3]] == [[2, 1], [3, 1], [11, 0]]
    assert key.log.dropped == 10
    assert key.row == Row(136, 0, state(127, 3, (2, 6), 136, [0, 1], [2, 3]))


def test_a_row_that_the_stream_did_not_write_is_the_base() -> None:
    log, values = EventLog(at=5, events=[[5, 1, 1, [1, 4]]]), state(3, 2, (1, 9), 4, [0, 1], [2, 7])
    own = read(Row(5, 0, values), log)
    assert (own.row, own.log, own.ahead) == (Row(5, 0, values), log, False)
    for row in (Row(5, FLAG_BATCH, values), Row(6, 0, values), Row(LATEST, FLAG_BATCH, values)):
        key = read(row, log)
        bases = {"c_click_last": [0, 1], "c_share_last": [2, 7]}
        assert (key.row, key.log, key.ahead) == (row, EventLog(row.time, row.time, bases), False)
    older = read(Row(4, FLAG_BATCH, values), log)
    assert older.row == Row(5, 0, state(3, 3, (2, 13), 4, [1, 1], [7, 4]))
    assert (older.log.batch, older.log.at, older.log.events) == (4, 5, log.events)
    empty = read(Row(4, 0, {**values, "c_click_last": None, "c_share_last": None}), log)
    assert empty.row == Row(5, 0, state(3, 3, (2, 13), 4, [1], [4]))
    assert (read(None, log).row, read(None, log).log) == (None, EventLog())


def test_a_batch_row_covers_its_own_time() -> None:
    key = read(Row(5, FLAG_BATCH, state(3, 0, (0, 0), 4)))
    assert key.apply(Shown(5)) is False
    assert (key.row, key.log.events) == (Row(5, FLAG_BATCH, state(3, 0, (0, 0), 4)), [])
    assert key.apply(Shown(6)) is True
    assert key.row == Row(6, 0, state(4, 0, (0, 0), 6))


def test_events_ahead_of_the_clock_are_taken_back() -> None:
    events = [[LATEST, 1, 1, [1, 4]], [LATEST + 1, 0, "", []], [LATEST + 2, 1, 2, [0, 3]]]
    row = Row(LATEST + 2, 0, state(1, 2, (1, 7), LATEST + 1, [1, 0], [4, 3]))
    for dropped in (None, LATEST):
        key = read(row, EventLog(at=LATEST + 2, dropped=dropped, events=events))
        assert not key.ahead
        assert key.row == Row(LATEST, 0, state(0, 1, (1, 4), 0, [1], [4]))
        assert key.log == EventLog(at=LATEST, dropped=dropped, events=events[:1])
    one = Row(LATEST + 1, 0, state(1, 0, (0, 0), LATEST + 1))
    for batch, time in ((None, 0), (900, 900)):
        key = read(one, EventLog(at=LATEST + 1, batch=batch, events=events[1:2]))
        assert (key.ahead, key.row, key.log.at) == (False, Row(time, 0, state(0, 0, (0, 0), 0)), time)


@pytest.mark.parametrize(
    ("flags", "at", "dropped", "events"),
    [
        (FLAG_BATCH, LATEST + 1, None, [[LATEST + 1, 0, "", []]]),
        (0, LATEST, None, [[LATEST + 1, 0, "", []]]),
        (0, LATEST + 1, LATEST + 1, [[LATEST + 1, 0, "", []]]),
        (0, LATEST + 1, None, [[LATEST, 0, "", []]]),
    ],
)
def test_a_row_ahead_of_the_clock_waits_for_a_batch_row(flags: int, at: int, dropped: int | None, events: list) -> None:
    row = Row(LATEST + 1, flags, state(2, 0, (0, 0), LATEST + 1))
    key = read(row, EventLog(at=at, dropped=dropped, events=events))
    assert (key.ahead, key.row) == (True, row)
    assert key.apply(Shown(7)) is False
    assert key.rebase(Row(LATEST, FLAG_BATCH, state(1, 0, (0, 0), 5))) is True
    assert (key.ahead, key.row) == (False, Row(LATEST, FLAG_BATCH, state(1, 0, (0, 0), 5)))


def test_a_batch_row_of_the_same_time_is_taken_and_no_older_one() -> None:
    key = read(Row(5, FLAG_BATCH, state(1, 0, (0, 0), 5)))
    assert key.rebase(Row(4, FLAG_BATCH, state(9, 0, (0, 0), 4))) is False
    assert key.row == Row(5, FLAG_BATCH, state(1, 0, (0, 0), 5))
    assert key.rebase(Row(5, FLAG_BATCH, state(2, 0, (0, 0), 5))) is True
    assert key.row == Row(5, FLAG_BATCH, state(2, 0, (0, 0), 5))


def test_a_key_without_a_batch_row_takes_any() -> None:
    key = CountedKey(PLAN, Row(9, 0, state(1, 0, (0, 0), 9)), EventLog(9, dropped=8, events=[[9, 0, "", []]]))
    assert key.rebase(Row(5, FLAG_BATCH, state(4, 1, (1, 2), 5, [1], [2]))) is True
    assert key.row == Row(9, 0, state(5, 1, (1, 2), 9, [1], [2]))
    assert (key.log.batch, key.log.at, key.log.dropped) == (5, 9, 8)
