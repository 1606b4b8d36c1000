"""The history of a state folder or a product: what ran, how it ended, and what it changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.served import model_of
from models.time_units import SECOND, iso, moment
from monitoring.runs import Run, read_runs
from pipelines.entries import read_entries
from pipelines.lock import run_in_progress
from pipelines.tables import text_table

HEADER = ("run", "pipeline", "started", "took", "outcome", "windows", "gate", "serves")
WIDTH = 100
_LONGEST_NAME = 18
"""Of a run's name in the table; KFP's ids are longer, and their beginnings are enough to find them."""


@dataclass(frozen=True)
class Past:
    """One line of the history."""

    run: str
    product: str
    pipeline: str | None
    started: int
    """Microseconds UTC."""
    seconds: float | None
    """None while it runs and if it was interrupted."""
    outcome: str
    """ok, frozen, failed, interrupted or running."""
    detail: str | None
    """The step that failed, was interrupted or runs, with its error; why a run was frozen; what was acted on."""
    windows: dict[str, Any] | None
    """start and end (ISO dates), as far as the run noted them."""
    decision: str | None
    """The gate's."""
    version: str | None
    """The version that the gate judged."""
    reasons: list[str]
    """The gate's."""
    champion: str | None
    """The version that had all traffic after the run, as far as runs of the history know."""

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON document; times as ISO-8601."""
        return {**vars(self), "started": iso(self.started)}


def history(tracking_uri: str, product: str | None = None, state: Path | None = None) -> list[Past]:
    """The runs at a tracking address, oldest first. Raises LedgerError.

    A run without an end is running if it is the newest (of its pipeline, or of all where ``state`` says whether a run
    holds that folder); else it was interrupted.
    """
    runs = read_runs(tracking_uri, product)
    newest = {run.pipeline: run for run in runs}.values() if state is None else runs[-1:]
    held = state is None or run_in_progress(state)
    active = [run for run in newest if run.ended is None] if held else []
    champions: dict[str, str] = {}
    past = []
    for run in runs:
        endpoint = run.notes.get("endpoint") or {}
        if endpoint.get("percent") == 100:
            champions[run.experiment] = str(endpoint.get("version"))
        past.append(_past(run, run in active, champions.get(run.experiment)))
    return past


def table(past: list[Past]) -> str:
    """The history as a table, newest last; a line under a run says why it failed or was held."""
    rows = [
        (
            one.run[:_LONGEST_NAME] if len(one.run) <= _LONGEST_NAME else one.run[:8],
            one.pipeline or "-",
            f"{moment(one.started):%m-%d %H:%M}",
            _took(one.seconds),
            one.outcome,
            _span(one.windows),
            " ".join(filter(None, (one.decision, one.version))) or "-",
            one.champion or "-",
        )
        for one in past
    ]
    header, *lines = text_table(HEADER, rows).split("\n")
    shown = [header]
    for one, line in zip(past, lines, strict=True):
        shown.append(line)
        if one.detail:
            shown.append(f"  {one.detail}"[:WIDTH])
        if one.decision == "hold" and one.reasons:
            shown.append(f"  held: {one.reasons[0]}"[:WIDTH])
    return "\n".join(shown)


def failures(state: Path) -> Iterable[str]:
    """Lines on scheduled runs whose last outcome is a failure, which may have come before there was a ledger."""
    from pipelines.scheduler import moment_of

    for entry in read_entries(state).values():
        if entry.last is not None and entry.last.reason is not None:
            text = f"scheduled {entry.name} of {moment_of(entry, entry.last.fire)} failed: {entry.last.reason}"
            yield text[:WIDTH]


def champions(tracking_uri: str, products: Iterable[str]) -> list[str]:
    """A line on each product's champion in the registry."""
    from serving.versions.registry import Registry

    registry = Registry(tracking_uri)
    found = {product: registry.champion(model_of(product)) for product in sorted(set(products))}
    return [f"champion of {product} now: {version or 'none'}" for product, version in found.items()]


def _past(run: Run, running: bool, champion: str | None) -> Past:
    outcome, detail = _outcome(run, running)
    verdict = run.notes.get("verdict") or {}
    return Past(
        run=run.name,
        product=run.experiment,
        pipeline=run.pipeline,
        started=run.started,
        seconds=None if run.ended is None else (run.ended - run.started) / SECOND,
        outcome=outcome,
        detail=detail,
        windows=run.notes.get("windows"),
        decision=verdict.get("decision"),
        version=verdict.get("version"),
        reasons=verdict.get("reasons", []),
        champion=champion,
    )


def _outcome(run: Run, running: bool) -> tuple[str, str | None]:
    """How the run ended, and at which step if not well."""
    open_step = next((step.name for step in run.steps if step.status == "running"), None)
    failed = next((step for step in run.steps if step.status == "failed"), None)
    if run.ended is None and running:
        return "running", open_step and f"at {open_step}"
    if failed is not None:
        return "failed", f"at {failed.name}: {failed.error}"
    if run.ended is None or open_step is not None:
        return "interrupted", open_step and f"at {open_step}"
    if run.succeeded and "frozen" in run.notes:
        return "frozen", str(run.notes["frozen"])
    act = run.notes.get("act")
    if run.succeeded and act is not None:
        return "ok", f"{act['kind']}: {act['reason']}"
    return ("ok", None) if run.succeeded else ("failed", "outside of its steps: see the log of the run")


def _took(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    return (
        f"{seconds:.0f}s" if seconds < 60 else f"{minutes}m" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}"
    )


def _span(windows: dict[str, Any] | None) -> str:
    """First and last day, such as 2026-03-02..04-30."""
    if not windows:
        return "-"
    start, end = (str(windows.get(key, "?"))[:10] for key in ("start", "end"))
    return f"{start}..{end[5:] if start[:4] == end[:4] else end}"
