"""What is done at night."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks.loop.nights import Nights
from feature_repo.sources.world.draw import DAY, HOUR

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

    def canary(self) -> str | None:
        return self.serves[1] if len(self.serves) > 1 else None

    def run(self, pipeline: str, *options: str) -> None:
        self.commands.append(" ".join((pipeline, *options)))
        if pipeline == "training":
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


def _nights(clicked: dict[str, float]) -> Nights:
    nights = Nights(StubProduct(), _traffic(clicked), train_every=7)  # type: ignore[arg-type]
    nights.run(NIGHT)
    assert nights.product.commands == ["training", "up"]
    nights.run(3 * DAY + NIGHT)
    assert nights.product.commands[2:] == ["refresh"]
    nights.run(7 * DAY + NIGHT)
    assert nights.product.commands[3:] == ["training --canary-percent 50", "refresh"]
    return nights


@pytest.mark.parametrize(("rate", "decision"), [(0.4, "promote"), (0.05, "rollback")])
def test_a_canary_is_promoted_or_taken_back_by_what_members_did(rate: float, decision: str):
    nights = _nights({"1": 0.2, "4": rate})
    night = nights.run(9 * DAY + NIGHT)
    assert nights.product.commands[5:] == [decision, "refresh"]
    assert night.day == "day 8"
    assert f"canary 4: CTR {rate - 0.2:+.3f}" in night.done[0]


def test_a_canary_that_does_not_win_goes_after_four_days():
    nights = _nights({"1": 0.2, "4": 0.21})
    for day in (8, 9, 10):
        nights.run(day * DAY + NIGHT)
    assert nights.product.canary() == "4"
    nights.run(11 * DAY + NIGHT)
    assert nights.product.canary() is None
    assert nights.product.commands[-2:] == ["rollback", "refresh"]
