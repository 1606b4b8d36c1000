"""The canary against the champion, by what their orders would have earned without exploration."""

import numpy as np
import pytest

from monitoring.monitors.canary import canary
from monitoring.statistics.snips import sums
from tests.monitoring.monitors.history import SPEC, causes, context, on_days


def _sums(rate: float) -> dict[str, float]:
    """Of 2,000 rows of 500 members, a third of them not at their usual rank, with this rate of clicks."""
    place = np.arange(2000)
    return sums((place % 100 < round(100 * rate)) * 1.0, np.where(place % 3 == 0, 0.1, 0.8), place % 500).to_json()


@pytest.mark.parametrize(
    ("together", "words"), [(0.95, " without exploration"), (None, " without exploration"), (0.5, "")]
)
@pytest.mark.parametrize("loss", [0.1, 0.0])
def test_rates_without_exploration_are_compared_where_both_served_all_day(
    together: float | None, words: str, loss: float
) -> None:
    """The plain difference says the opposite; it counts where the versions have few hours in common."""

    def explored(day: dict, number: int) -> None:  # type: ignore[type-arg]
        found = {"versions": {"7": _sums(0.4), "8": _sums(0.4 - loss)}}
        found["pairs"] = [{"versions": ["7", "8"], "shared": [0.0] * 4}]  # type: ignore[assignment]
        day["explored"] = {SPEC.primary_task: found}
        for one in day["canaries"]:
            plain = 0.0 if words else -loss
            one.update(champion="7", canary="8", difference=plain, error=0.01, champion_rate=0.4, together=together)
            if together is None:  # of an older release
                del one["together"]

    *earlier, newest = on_days(explored)
    found = canary(context(newest, tuple(earlier)))

    assert causes(found) == ({"canary.rate"} if loss else set())
    for one in found:
        assert one.text.startswith(f"Canary 8: {SPEC.primary_task} rate{words} 0.")
        assert one.figures["difference"] == pytest.approx(-0.1, abs=0.01)
        assert one.figures["low"] < one.figures["difference"] < one.figures["high"] < 0
        assert ({"champion_size", "canary_size", "refused"} <= one.figures.keys()) == bool(words)
