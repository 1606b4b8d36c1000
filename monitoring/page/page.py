"""The monitoring page: one self-contained HTML page that begins with the verdict and what to do.

It shows ``report.json`` of a monitoring run: ``verdict``, ``alarms``, ``days`` with ``figures`` by task, surface,
version and cohort, ``outcomes`` (counts of the join), ``columns`` (shifts against the version's profile),
``next`` (a command).
"""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.files import write_text
from monitoring.documents import plain
from monitoring.errors import VerdictError
from monitoring.page.tables import task_view, tasks
from monitoring.page.trends import Line, bars, trend
from monitoring.rendering import render
from monitoring.verdict import LAYERS, State, Verdict

PAGE = "monitoring.html"
HEADLINES = {
    State.HEALTHY: ("good", "Healthy"),
    State.WATCH: ("held", "Watch: something has changed, nothing has to be done yet"),
    State.RECALIBRATE: ("held", "Recalibrate: the probabilities are off by a factor"),
    State.RETRAIN: ("held", "Retrain: the world has moved away from what the model learned"),
    State.ROLL_BACK: ("bad", "Roll back: the version that serves is worse than it was judged to be"),
    State.DATA_FAULT: ("bad", "Data fault: nothing is trained until a person has looked"),
}
"""Tone (good, held or bad) and title by state."""
MEANINGS = {
    "served": "candidates that were served",
    "outcomes": "outcomes that came",
    "matched": "of these, those of a served candidate",
    "settled": "labels that are final: the time in which an outcome may come has passed",
    "pending": "candidates served since that day began whose label may still change",
    "orphan": "outcomes of no served candidate",
    "duplicate": "outcomes that came again; the first counts",
    "late": "positive outcomes after that time; they do not count",
    "skewed": "outcomes before they were served, or after they were received",
    "torn": "lines or files that could not be read",
}
"""What a count of the join says."""


def write_page(product: str, report: Mapping[str, Any], folder: Path, evidently: str | None = None) -> Path:
    """Write ``monitoring.html`` to ``folder``; return its path.

    ``evidently``: address of Evidently's page, relative to the folder; None = no link. What the report lacks is left
    out, or the page says that it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return write_text(folder / PAGE, render("monitoring.html", _view(product, plain(dict(report)), evidently)))


def _view(product: str, report: Mapping[str, Any], evidently: str | None) -> dict[str, Any]:
    days = _days(report)
    verdict = _verdict(report)
    return {
        "product": product,
        "verdict": verdict,
        "headline": HEADLINES[verdict.state] if verdict else ("quiet", "No verdict"),
        "standing": _standing(verdict),
        "next": report.get("next"),
        **_alarms(report, verdict),
        "span": f"{days[0]['day']} to {days[-1]['day']}" if days else None,
        "tasks": [task_view(days, task, f"t{place}") for place, task in enumerate(tasks(days))],
        "traffic": [picture for picture in _traffic(days) if picture["svg"]],
        "newest": days[-1] if days else None,
        "outcomes": _outcomes(report.get("outcomes") or {}),
        "columns": _columns(report),
        "evidently": evidently,
    }


def _verdict(report: Mapping[str, Any]) -> Verdict | None:
    try:
        return Verdict.from_json(report.get("verdict") or {})
    except VerdictError:
        return None


def _standing(verdict: Verdict | None) -> str:
    """For how long the cause has been found, in words; "" for a healthy product."""
    if verdict is None or not verdict.cause:
        return ""
    try:
        first, last = (datetime.date.fromisoformat(day) for day in (verdict.since, verdict.day))
    except ValueError:
        return ""
    count = (last - first).days + 1
    return "found on the newest judged day only" if count == 1 else f"for {count} days"


def _days(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The days in order, the last of each date; without those that have no date."""
    found = {}
    for day in report.get("days") or ():
        try:
            found[datetime.date.fromisoformat(str(day.get("day")))] = day
        except ValueError:
            continue
    return [found[date] for date in sorted(found)]


def _alarms(report: Mapping[str, Any], verdict: Verdict | None) -> dict[str, list[dict[str, Any]]]:
    """Alarms of the layer that names the cause (``first``), of later layers, and warnings of earlier ones."""
    evidence = verdict.to_json()["evidence"] if verdict else []
    layer = verdict.cause.partition(".")[0] if verdict else ""
    place = LAYERS.index(layer) if layer in LAYERS else len(LAYERS)
    first = [alarm for alarm in evidence if alarm["layer"] == layer]
    later = [alarm for alarm in evidence if alarm["layer"] in LAYERS[place + 1 :]]
    rest = [alarm for alarm in evidence if alarm not in first and alarm not in later]
    return {
        "first": first,
        "later": later,
        "others": [*rest, *(alarm for alarm in report.get("alarms") or [] if alarm not in evidence)],
    }


def _traffic(days: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    dates = [day["day"] for day in days]

    def column(field: str) -> list[float | None]:
        return [day.get(field) for day in days]

    volume = bars(dates, column("rows"), column("pending"), "volume") if days else ""
    shares = trend(dates, [Line(column("fallback")), Line(column("cold"))], "shares", shares=True) if days else ""
    return [
        {"title": "Served candidates", "labels": ["all", "without a final label"], "svg": volume},
        {"title": "Share of the candidates", "labels": ["ranked by the fallback", "cold items"], "svg": shares},
    ]


def _outcomes(counts: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    known = [name for name in MEANINGS if counts.get(name) is not None]
    rest = [name for name, value in counts.items() if name not in MEANINGS and isinstance(value, int)]
    return [(name, counts[name], MEANINGS.get(name, "")) for name in [*known, *rest]]


def _columns(report: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Columns that an alarm names, and the others; those that shifted most first."""
    alarms = report.get("alarms") or []
    named = {alarm.get("subject") for alarm in alarms if alarm.get("layer") in LAYERS[: LAYERS.index("predictions")]}
    rows = [
        {"name": name, **shift} for name, shift in (report.get("columns") or {}).items() if isinstance(shift, Mapping)
    ]
    rows.sort(key=lambda row: (-(row.get("psi") or 0.0), row["name"]))
    return {
        "shifted": [row for row in rows if row["name"] in named],
        "steady": [row for row in rows if row["name"] not in named],
    }
