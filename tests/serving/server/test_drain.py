"""When a server that was told to end may close its ports, by a clock that stands still until it is moved."""

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


def test_it_ends_once_nobody_has_asked_for_a_moment(clock: Clock) -> None:
    drain = Drain(seconds=5)
    clock.now += 3_600
    assert not drain.finished()  # nobody asks, but nobody has said that it shall end
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


def test_what_is_at_work_is_waited_for_but_not_for_ever(clock: Clock) -> None:
    drain = Drain(seconds=5)
    drain.begin()
    with drain.request():
        clock.now = BEGUN + 4.9
        assert not drain.finished()
        drain.begin()  # a second time changes nothing
        clock.now = BEGUN + 5.1
        assert drain.finished()
