"""Stream state of one member: the list of activities, the log, and rows from elsewhere or ahead of the clock."""

from typing import Any

from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.stream.event_log import EventLog
from feature_repo.stream.events import Entry
from feature_repo.stream.member import MemberState
from feature_repo.stream.packed_rows import Row
from feature_repo.views.pushed import EDGES, KEYS, TIMES

LATEST = 1_000


def listed(*activities: tuple[str, str, int]) -> dict[str, list[Any]]:
    """A list of activities: edge, key, time."""
    return {column: [one[place] for one in activities] for place, column in enumerate((EDGES, KEYS, TIMES))}


def read(row: Row | None, log: EventLog | None = None, last: int = 3) -> MemberState:
    return MemberState.read(["liked", "clicked"], last, row, None if log is None else log.write(), LATEST)


def test_the_list_holds_the_last_activities_in_order() -> None:
    member = read(None)
    assert member.apply((7, 0, "p", "")) == "new"
    assert (member.row, member.log.at) == (Row(7, 0, listed(("liked", "p", 7))), 7)
    for entry in ((9, 1, 11, 5), (8, 0, "p", ""), (6, -1, "", 5), (5, -2, "", 5)):
        assert member.apply(entry) == "new"
    assert member.row == Row(9, 0, listed(("liked", "p", 7), ("liked", "p", 8), ("clicked", "11", 9)))
    assert member.apply((10, 0, "q", "")) == "new"
    assert member.row == Row(10, 0, listed(("liked", "p", 8), ("clicked", "11", 9), ("liked", "q", 10)))
    assert member.log.at == 10


def test_an_impression_counts_once_whenever_it_settles_and_a_like_counts_at_every_moment() -> None:
    member = read(None)
    for entry in ((7, 0, "p", ""), (9, 1, "p", 5), (6, -1, "", 5)):
        assert member.apply(entry) == "new"
    before = member.row, member.log.write()
    for entry in ((7, 0, "p", ""), (9, 1, "p", 5), (12, 1, "p", 5), (6, -1, "", 5), (13, -1, "", 5)):
        assert member.apply(entry) == "duplicate"
    assert (member.row, member.log.write()) == before
    for entry in ((8, 0, "p", ""), (7, 0, "q", ""), (9, 1, "q", 5), (9, 1, "p", 6), (6, -2, "", 5), (6, -1, "", 6)):
        assert member.apply(entry) == "new"


def test_what_may_have_been_dropped_is_late_and_forgotten() -> None:
    member = read(None, EventLog(dropped=5))
    assert [member.apply(entry) for entry in ((5, 0, "p", ""), (5, -1, "", 1))] == ["late"] * 2
    assert (member.row, member.log.events) == (None, [])
    assert member.apply((6, 0, "p", "")) == "new"


def test_a_batch_row_covers_activities_up_to_its_time_and_no_counts() -> None:
    member, batch = read(None), Row(10, FLAG_BATCH, listed(("liked", "a", 10)))
    assert member.rebase(batch)
    assert member.apply((10, 0, "b", "")) == "late"
    assert member.apply((10, 0, "b", "")) == "duplicate"
    assert member.apply((9, -1, "", 1)) == "new"
    assert member.row == batch
    assert member.apply((11, 0, "c", "")) == "new"
    assert member.row == Row(11, 0, listed(("liked", "a", 10), ("liked", "c", 11)))


def test_the_log_holds_256_events_and_the_last_activities_among_them() -> None:
    member = read(None, last=2)
    activities: list[Entry] = [(0, 0, "a", ""), (1, 0, "b", ""), (2, 1, "c", 7)]
    for entry in [*activities, *((10 + number, -1, "", number) for number in range(258))]:
        assert member.apply(entry) == "new"
    assert len(member.log.events) == 256
    assert member.log.events[:3] == [[1, 0, "b", ""], [2, 1, "c", 7], [14, -1, "", 4]]
    assert member.log.dropped == 13
    assert member.row == Row(2, 0, listed(("liked", "b", 1), ("clicked", "c", 2)))


def test_a_row_that_the_stream_did_not_write_is_the_base() -> None:
    log, values = EventLog(at=5, events=[[5, 0, "p", ""]]), listed(("liked", "x", 4))
    own = read(Row(5, 0, values), log)
    assert (own.row, own.log) == (Row(5, 0, values), log)
    for row in (Row(5, FLAG_BATCH, values), Row(6, 0, values), Row(6, FLAG_BATCH, values)):
        member = read(row, log)
        assert (member.row, member.log.batch, member.log.base, member.log.at) == (row, row.time, values, row.time)
    older = read(Row(4, 0, values), log)
    assert older.row == Row(5, 0, listed(("liked", "x", 4), ("liked", "p", 5)))
    assert (older.log.batch, older.log.at) == (4, 5)
    assert read(Row(4, 0, dict.fromkeys(values)), log).row == Row(5, 0, listed(("liked", "p", 5)))
    lost = read(None, log)
    assert (lost.row, lost.log) == (None, log)
    assert lost.apply((5, 0, "p", "")) == "duplicate"


def test_a_row_at_the_end_of_the_clock_stays() -> None:
    row = Row(LATEST, FLAG_BATCH, listed(("liked", "p", LATEST)))
    member = read(row)
    assert (member.row, member.log.batch) == (row, LATEST)


def test_activities_ahead_of_the_clock_are_removed() -> None:
    kept, ahead = ("liked", "p", LATEST), ("liked", "q", LATEST + 1)
    log = EventLog(at=LATEST + 1, events=[[LATEST, 0, "p", ""], [LATEST + 1, 0, "q", ""]])
    member = read(Row(LATEST + 1, 0, listed(kept, ahead)), log)
    assert member.row == Row(LATEST, 0, listed(kept))
    assert member.log == EventLog(at=LATEST, events=[[LATEST, 0, "p", ""]])
    for values in (listed(ahead), dict.fromkeys(listed())):
        member = read(Row(LATEST + 1, 0, values), EventLog(at=LATEST + 1))
        assert (member.row, member.log) == (Row(0, 0, listed()), EventLog(at=0))
    based = EventLog(at=LATEST + 1, batch=900, base=listed(("liked", "a", 900), ahead))
    member = read(Row(LATEST + 1, 0, listed(("liked", "a", 900), ahead)), based)
    assert member.row == Row(900, 0, listed(("liked", "a", 900)))
    assert member.log == EventLog(at=900, batch=900, base=listed(("liked", "a", 900)))
