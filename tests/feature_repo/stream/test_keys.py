"""Stream state of one member and of one counter key: which batch rows become the new base."""

from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.stream.counters import CountedKey
from feature_repo.stream.event_log import EventLog
from feature_repo.stream.member import MemberState
from feature_repo.stream.packed_rows import Row
from feature_repo.views.pushed import EDGES, KEYS, TIMES
from models.counters.fold import Shown
from models.counters.plan import CounterPlan

PLAN = CounterPlan("c", ("k",), ("k",), {}, True, (), 0.0, None, False, 0)
LATEST = 1_000


def activities(time: int, key: str) -> Row:
    return Row(time, FLAG_BATCH, {EDGES: ["liked"], KEYS: [key], TIMES: [time]})


def test_a_member_takes_a_batch_row_of_the_same_time_and_no_older_one() -> None:
    member = MemberState.read(["liked"], 3, None, None, LATEST)
    assert member.rebase(activities(5, "first"))
    assert member.rebase(activities(5, "again"))
    assert not member.rebase(activities(4, "older"))
    assert member.row is not None
    assert member.row.values[KEYS] == ["again"]
    assert member.apply((7, 0, "p", "")) == "new"
    assert member.row.values == {EDGES: ["liked"] * 2, KEYS: ["again", "p"], TIMES: [5, 7]}
    assert member.apply((7, 0, "p", "")) == "duplicate"


def test_a_counter_takes_a_batch_row_that_covers_all_dropped_events() -> None:
    for dropped, taken in ((4, True), (5, True), (6, False)):
        key = CountedKey(PLAN, Row(9, 0, {"c_shown": 3}), EventLog(at=9, batch=2, dropped=dropped))
        assert key.log.batch == 2
        assert key.rebase(Row(5, FLAG_BATCH, {"c_shown": 2})) is taken


def test_a_key_that_is_ahead_of_the_clock_counts_nothing() -> None:
    key = CountedKey.read(PLAN, Row(LATEST + 1, FLAG_BATCH, {"c_shown": 3}), None, LATEST)
    assert key.ahead
    assert not key.apply(Shown(7))
    log = EventLog(at=LATEST + 1, events=[[LATEST + 1, 0, "", []]], dropped=LATEST + 1)
    assert CountedKey.read(PLAN, Row(LATEST + 1, 0, {"c_shown": 3}), log.write(), LATEST).ahead


def test_an_older_event_does_not_move_the_rows_time_back() -> None:
    key = CountedKey.read(PLAN, None, None, LATEST)
    assert key.apply(Shown(9))
    assert key.apply(Shown(7))
    assert key.row == Row(9, 0, {"c_shown": 2})
