"""A report as text for the terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from feature_repo.checks.report import Report
from feature_repo.sources.labels import LABELED

_MOST_SURFACES = 30


def page(report: Report) -> str:
    """The preview, the suggestions, then what is wrong: the last lines are what to do first."""
    blocks = list(_preview(report.preview)) if report.preview else []
    for one in report.suggestions:
        blocks.append(f"suggestion: {one.sentence}" + (f"\n{_indented(one.yaml)}" if one.yaml else ""))
    findings = [f"warning: {sentence}" for sentence in report.warnings]
    findings += [f"error: {sentence}" for sentence in report.errors]
    if findings:
        blocks.append("\n".join(findings))
    unread = "" if report.read else "; the data was not read" if not report.product or report.errors else ""
    counts = f"{_count(len(report.errors), 'error')}, {_count(len(report.warnings), 'warning')}"
    blocks.append(f"{report.product or 'spec'}: {counts}{unread}, in {report.seconds:.1f} s")
    return "\n\n".join(blocks)


def _preview(preview: Mapping[str, Any]) -> Iterator[str]:
    windows, tasks = preview["windows"], list(preview["windows"]["train"]["tasks"])
    header = ["window", "days", "rows", "members", "items", "items/day", *tasks]
    header += ["new items", "unseen", "new members", "history"]
    yield _table(header, (_window(name, one, tasks) for name, one in windows.items()))
    yield (
        "items/day: distinct ones shown; a task: positives (share of its rows); new items: rows whose item was never\n"
        "shown before the window; unseen: without a train row; new members: rows whose member has no engagement\n"
        "before the window; history: engagements of a member before it, median and 90th percentile"
    )
    rows = list(_surfaces(windows, tasks))
    if len(rows) > 1:
        more = f"\nand {len(rows) - _MOST_SURFACES:,} more surfaces" if len(rows) > _MOST_SURFACES else ""
        yield _table(["surface", *LABELED, *tasks], rows[:_MOST_SURFACES]) + more
    header = ["edge", "rows", "before train", "of a source: median", "p75", "of a target: median", "p75"]
    yield _table(header, (_edge(name, one) for name, one in preview["edges"].items()))
    if preview["decided"]:
        chosen = ", ".join(f"{key} {one['value']}" for key, one in preview["decided"].items())
        yield f"decided by the data: {chosen}"


def _window(name: str, one: Mapping[str, Any], tasks: Sequence[str]) -> list[str]:
    cells = [name, f"{one['first']} to {one['last']}", f"{one['rows']:,}", f"{one['members']:,}", f"{one['items']:,}"]
    cells += [f"{one['items_per_day']:,.0f}", *(_task(one["tasks"][task]) for task in tasks)]
    if name not in LABELED:
        return [*cells, "", "", "", ""]
    history = one["history"]
    unseen = "" if one["unseen_items"] is None else f"{one['unseen_items']:.0%}"
    spread = f"{history['median']:g}, {history['p90']:g}"
    return [*cells, f"{one['new_items']:.0%}", unseen, f"{one['new_members']:.0%}", spread]


def _task(counts: Mapping[str, int]) -> str:
    """Positives and their share; nothing where the task is not defined on a row."""
    return f"{counts['positives']:,} ({counts['positives'] / counts['rows']:.1%})" if counts["rows"] else "-"


def _surfaces(windows: Mapping[str, Any], tasks: Sequence[str]) -> Iterator[list[str]]:
    """Rows by window, and the labels of all of them."""
    names = dict.fromkeys(name for window in LABELED for name in windows[window]["surfaces"])
    for name in names:
        parts = {window: windows[window]["surfaces"].get(name) for window in LABELED}
        sums = []
        for task in tasks:
            found = [part["tasks"][task] for part in parts.values() if part]
            sums.append(_task({key: sum(one[key] for one in found) for key in ("rows", "positives")}))
        yield [name, *(f"{part['rows']:,}" if part else "0" for part in parts.values()), *sums]


def _edge(name: str, one: Mapping[str, Any]) -> list[str]:
    cells = [name, f"{one['rows']:,}", f"{one['before_train']:,}"]
    for side in ("source", "target"):
        degree = one[f"of_{side}"]
        cells += [f"{one[side]} {degree['median']:g}", f"{degree['p75']:g}"]
    return cells


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of equal width: the first to the left, the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
