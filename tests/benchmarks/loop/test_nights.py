"""What is done at night."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks.loop.nights import Nights
from feature_repo.sources.world.draw import DAY, HOUR
from monitoring.verdict import ACTIONS, State, Verdict

NIGHT = 2 * HOUR


class StubProduct:
    """Notes the commands; a training registers the next version as a canary."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.serves: list[str] = []

    def date(self, day: int) -> str:
        return f"day {day}"

    def limits(self) -> str:
        return "limits"

    def versions(self) -> dict[str, int]:
        return dict.fromkeys(self.serves, 50)

    def champion(self) -> str:
        return self.serves[0]

    def roles(self) -> dict[str, str]:
        return dict(zip(("champion", "canary"), self.serves, strict=False))

    def canary(self) -> str | None:
        return self.serves[1] if len(self.serves) > 1 else None

    def run(self, pipeline: str, *options: str) -> None:
        self.commands.append(" ".join((pipeline, *options)))
        if pipeline in ("training", "act"):
            self.serves.append(str(len(self.commands)))

    def serving(self, *arguments: str) -> None:
        self.commands.append(arguments[0])
        if arguments[0] != "up":
            self.serves.remove(self.serves[0 if arguments[0] == "promote" else 1])


def _traffic(clicked: dict[str, float]) -> Any:
    rows = [
        {"version": version, "clicked": float(place < 100 * rate), "time": 8 * DAY, "received": 8 * DAY}
        for version, rate in clicked.items()
        for place in range(100)
    ]
    return SimpleNamespace(export=lambda now: None, shown=lambda: pd.DataFrame(rows))


def _nights(clicked: dict[str, float], monitor: Any = None) -> Nights:
    nights = Nights(StubProduct(), _traffic(clicked), monitor=monitor, train_every=7)  # type: ignore[arg-type]
    nights.run(NIGHT)
    assert nights.product.commands == ["training", "up"]
    nights.run(3 * DAY + NIGHT)
    assert nights.product.commands[2:] == ["refresh"]
    nights.run(7 * DAY + NIGHT)
    assert nights.product.commands[3:] == ["refresh", "training --canary-percent 50"]
    return nights


@pytest.mark.parametrize(("rate", "decision"), [(0.4, "promote"), (0.05, "rollback")])
def test_a_canary_is_promoted_or_taken_back_by_what_members_did(rate: float, decision: str):
    nights = _nights({"1": 0.2, "5": rate})
    night = nights.run(9 * DAY + NIGHT)
    assert nights.product.commands[5:] == [decision, "refresh"]
    assert (night.day, night.promoted) == ("day 8", decision == "promote")
    assert f"canary 5: CTR {rate - 0.2:+.3f}" in night.done[0]


def test_a_canary_that_does_not_win_goes_after_four_days():
    nights = _nights({"1": 0.2, "5": 0.21})
    for day in (8, 9, 10):
        nights.run(day * DAY + NIGHT)
    assert nights.product.canary() == "5"
    assert nights.product.commands[5:] == ["refresh"] * 3
    nights.run(11 * DAY + NIGHT)
    assert nights.product.canary() is None
    assert nights.product.commands[-2:] == ["rollback", "refresh"]


@pytest.mark.parametrize(("state", "acts"), [(State.RETRAIN, True), (State.DATA_FAULT, False), (State.HEALTHY, False)])
def test_act_follows_a_verdict_that_asks_for_it(state: State, acts: bool):
    verdict = Verdict(state, "features.new_value", "day 7", "day 7", (), ACTIONS[state], {})
    nights = Nights(StubProduct(), _traffic({"1": 0.2}), monitor=SimpleNamespace(judge=lambda: verdict))  # type: ignore[arg-type]
    nights.run(NIGHT)
    night = nights.run(8 * DAY + NIGHT, "bot")
    assert (night.state, night.cause, night.fault, night.day) == (state, "features.new_value", "bot", "day 7")
    assert nights.product.commands[2:] == ["refresh"] + ["act --for-real"] * acts
    assert night.done == ["act: retrain, now canary 4", "canary 4 begins"] * acts
    nights.run(9 * DAY + NIGHT)  # while the canary is looked at, none follows
    assert nights.product.commands.count("act --for-real") == acts
