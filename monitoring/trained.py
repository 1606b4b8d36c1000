"""Which days a version's weights were trained on, as sentences of a run's report."""

from collections.abc import Mapping
from typing import Any

from models.spec import Spec
from models.time_units import moment

WINDOW_NOTES = {
    "test": "Reported. Scored once; no choice was based on it.",
    "gate": "Decides whether the candidate may serve. After both models' training, before the test window.",
}


def trained_days(spec: Spec, verdict: Mapping[str, Any] | None) -> str:
    """The days that the weights were trained on, and which weights were judged, by a run's verdict; "" without one."""
    if not verdict:
        return ""
    judged = spec.span("gate").start
    if not (verdict.get("refit") or {}).get("serves", False):
        return f"The weights were trained on the impressions of {_days(spec, judged)}."
    return (
        f"The weights that serve were trained on the impressions of {_days(spec, spec.last_gate_day.start)}. They are "
        f"a refit: the gate judged weights that were trained on those of {_days(spec, judged)}, which are kept with "
        "the version. The figures below are those of the judged weights."
    )


def window_notes(spec: Spec, metrics: Mapping[str, Any] | None) -> dict[str, str]:
    """By window, what its figures are for; a scored model that has seen gate days makes its figures there useless."""
    seen = (metrics or {}).get("candidate_seen_until")
    if seen is None or seen <= spec.span("gate").start:
        return WINDOW_NOTES
    note = f"The candidate was trained on days of this window, until {moment(seen):%Y-%m-%d %H:%M} UTC (a refit): its "
    return {**WINDOW_NOTES, "gate": note + "figures here are too high."}


def _days(spec: Spec, until: int) -> str:
    """From the first day of the train window to the last one before ``until``, in the spec's time zone."""
    first, last = (moment(time).astimezone(spec.zone).date() for time in (spec.span("train").start, until - 1))
    return f"{first} to {last}"
