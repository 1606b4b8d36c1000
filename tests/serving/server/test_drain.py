"""Draining: when the server may stop, on a clock that the test sets."""

import pytest

from serving.server.drain import Drain

BEGUN = 1_000.0


class Clock:
    def __init__(self) -> None:
        self.now = BEGUN

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("serving.server.drain.time", clock)
    return clock


def test_it_finishes_after_a_quiet_time(clock: Clock) -> None:
    drain = Drain(seconds=5)
    clock.now += 3_600
    assert not drain.finished()  # no requests, but the drain has not begun
    drain.begin()
    assert drain.begun
    assert not drain.finished()
    clock.now += 0.25
    with drain.request():
        pass
    clock.now += 0.25
    assert not drain.finished()
    clock.now += 0.25
    assert drain.finished()


def test_requests_in_flight_are_awaited_up_to_the_limit(clock: Clock) -> None:
    drain = Drain(seconds=5)
    drain.begin()
    with drain.request():
        clock.now = BEGUN + 4.9
        assert not drain.finished()
        drain.begin()  # has no effect
        clock.now = BEGUN + 5.1
        assert drain.finished()
