"""The sentences about the days that weights were trained on."""

import pytest

from models.time_units import DAY
from monitoring.trained import WINDOW_NOTES, trained_days, window_notes
from tests.factories import specs
from tests.monitoring.fakes import DOCUMENT

SPEC = specs.spec_of({**DOCUMENT, "timezone": "Asia/Shanghai", "windows": specs.windows(gate=3)})
"""Graph 01-01 and 01-02, train 01-03 and 01-04, validate 01-05, gate 01-06 to 01-08, in Shanghai."""


def test_without_a_verdict_there_is_nothing_to_say() -> None:
    assert trained_days(SPEC, None) == trained_days(SPEC, {}) == ""


@pytest.mark.parametrize("refit", [None, {"serves": False}])
def test_the_judged_weights_end_before_the_gate_window(refit: dict[str, bool] | None) -> None:
    assert trained_days(SPEC, {"decision": "hold", "refit": refit}) == (
        "The weights were trained on the impressions of 2026-01-03 to 2026-01-05."
    )


def test_a_refit_that_serves_ends_before_the_last_gate_day() -> None:
    said = trained_days(SPEC, {"refit": {"serves": True}})
    assert said.startswith("The weights that serve were trained on the impressions of 2026-01-03 to 2026-01-07.")
    assert "the gate judged weights that were trained on those of 2026-01-03 to 2026-01-05, which are kept" in said


def test_figures_of_days_that_were_trained_on_are_marked() -> None:
    start = SPEC.span("gate").start
    for metrics in (None, {}, {"candidate_seen_until": start}):
        assert window_notes(SPEC, metrics) == WINDOW_NOTES
    notes = window_notes(SPEC, {"candidate_seen_until": start + 2 * DAY})
    assert notes["test"] == WINDOW_NOTES["test"]
    assert notes["gate"].startswith("The candidate was trained on days of this window, until 2026-01-07 16:00 UTC")
