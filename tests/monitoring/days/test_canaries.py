"""Two versions of a day are compared in the hours in which both served."""

import numpy as np
import pyarrow as pa
import pytest

from models.time_units import DAY, HOUR
from monitoring.days.figures import canaries
from monitoring.days.rows import Rows

ROWS = 24_000


def three_versions(loss: float = 0.0) -> Rows:
    """A day of versions 6 and 7, of which 7 is promoted at noon, and of 8, the next canary, from 18:00 on.

    Members click less in the evening. 8 has ``loss`` less of the rate than the others.
    """
    rng, hour = np.random.default_rng(5), np.arange(ROWS) * 24 // ROWS
    drawn = rng.random(ROWS)
    version = np.where(hour < 12, np.where(drawn < 0.2, "7", "6"), np.where((hour >= 18) & (drawn < 0.2), "8", "7"))
    rate = np.where(hour < 12, 0.4, np.where(hour < 18, 0.3, 0.2)) * np.where(version == "8", 1 - loss, 1)
    table = {"served": 20_000 * DAY + hour * HOUR, "model_version": version, "member": rng.integers(0, 2000, ROWS)}
    return Rows(pa.table({**table, "label_click": (rng.random(ROWS) < rate) * 1.0}))


def pair(rows: Rows, counted: np.ndarray | None = None) -> dict[str, float]:
    """What was found of 7 and 8."""
    found = canaries(rows, "click", np.ones(ROWS, dtype=bool) if counted is None else counted)
    (one,) = [one for one in found if {one["champion"], one["canary"]} == {"7", "8"}]
    return one


def test_a_new_canary_is_compared_with_the_new_champion_in_its_own_hours() -> None:
    rows = three_versions()
    one, versions = pair(rows), rows.names("model_version")
    assert (one["champion"], one["canary"]) == ("7", "8")
    assert abs(one["difference"]) < 2 * one["error"]  # all day, 7 has a rate of .29
    assert one["champion_rate"] == pytest.approx(0.2, abs=0.02)
    assert one["rows"] == versions.counts()["8"]
    evening = 6 / 24 * ROWS
    assert one["together"] == pytest.approx(evening / (versions.counts()["7"] + versions.counts()["8"]))


def test_a_new_canary_that_is_worse_is_found() -> None:
    one = pair(three_versions(loss=0.4))
    assert one["difference"] < -4 * one["error"]
    assert one["difference"] == pytest.approx(-0.08, abs=0.02)


def test_versions_without_a_common_hour_are_not_compared() -> None:
    found = canaries(three_versions(), "click", np.ones(ROWS, dtype=bool))
    pairs = [(one["champion"], one["canary"], round(one["together"], 2)) for one in found]
    assert [names for *names, _ in pairs] == [["7", "6"], ["7", "8"]]  # not 6 and 8
    assert canaries(three_versions(), "click", np.zeros(ROWS, dtype=bool)) == []


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows, order = three_versions(), np.random.default_rng(1).permutation(ROWS)
    assert pair(rows) == pair(Rows(rows.table.take(order)))
