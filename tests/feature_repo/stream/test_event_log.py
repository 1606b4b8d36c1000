"""Event logs: order, borders of batch row and dropped events, and which events are dropped."""

from feature_repo.stream.event_log import EventLog, is_log, log_key


def log_of(*events: list[int]) -> EventLog:
    log = EventLog()
    for event in events:
        log.add([*event])
    return log


def test_a_log_comes_back_from_its_bytes() -> None:
    log = log_of([3, 0], [1, 1])
    log.at, log.batch, log.base, log.dropped = 3, 0, {"x": [1]}, -1
    assert EventLog.read(log.write()) == log
    assert log.events == [[1, 1], [3, 0]]
    assert EventLog.read(None) == EventLog()
    assert is_log(log_key(b"key"))
    assert not is_log(b"key")


def test_the_batch_row_covers_its_own_time() -> None:
    log = log_of([4, 0], [5, 0], [6, 0])
    assert not log.is_in_batch(5)
    log.restart(5, {})
    assert log.events == [[6, 0]]
    assert (log.is_in_batch(5), log.is_in_batch(6)) == (True, False)


def test_the_oldest_events_are_dropped_but_for_the_last_of_a_kind() -> None:
    log = log_of([1, 1], [2, 0], [3, 1], [4, 0], [5, 0])
    log.trim(3, 1, 1)
    assert log.events == [[3, 1], [4, 0], [5, 0]]
    assert (log.dropped, log.is_forgotten(2), log.is_forgotten(3)) == (2, True, False)
    log.trim(3, 1, 1)
    assert len(log.events) == 3
    log.trim(1, 1, 1)
    assert log.events == [[3, 1]]
    log.add([1, 0])
    log.trim(1, 1, 1)
    assert log.dropped == 5  # the newest of all dropped events
    log.restart(5, {})
    assert log.dropped is None


def test_without_a_kind_to_keep_the_newest_stay() -> None:
    log = log_of([1, 1], [2, 1])
    log.trim(1, 1, 0)
    assert log.events == [[2, 1]]


def test_what_is_ahead_of_the_clock_is_forgotten() -> None:
    log = log_of([9, 0], [10, 0], [11, 0])
    log.batch, log.base, log.dropped = 10, {"x": [1]}, 10
    assert log.forget_after(10) == [[11, 0]]
    assert (log.events, log.batch, log.base, log.dropped) == ([[9, 0], [10, 0]], 10, {"x": [1]}, 10)
    assert log.forget_after(9) == [[10, 0]]
    assert (log.batch, log.base, log.dropped) == (None, {}, None)


def test_only_what_the_batch_row_covers_is_no_longer_dropped() -> None:
    for dropped, left in ((4, None), (5, None), (6, 6)):
        log = EventLog(dropped=dropped)
        log.restart(5, {"x": [1]})
        assert log == EventLog(batch=5, base={"x": [1]}, dropped=left)


def test_events_to_keep_stay_even_if_they_are_too_many() -> None:
    log = log_of([1, 1], [2, 1])
    log.trim(1, 1, 2)
    assert (log.events, log.dropped) == ([[1, 1], [2, 1]], None)
