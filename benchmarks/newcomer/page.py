"""The table of the five data sets, as Markdown."""

from collections.abc import Sequence

from benchmarks.newcomer.run import Compared, Journey

HEADER = (
    *("data set", "check", "to the endpoint", "gate", "task", "test rows (positives)", "AUC", "tuned trees"),
    *("difference", "popularity"),
)


def table(found: Sequence[Journey]) -> str:
    """A row for each task; of a data set without any, one with its failure."""
    lines = [" | ".join(HEADER), " | ".join("---" for _ in HEADER)]
    for one in found:
        start = [one.name, f"{one.check_seconds:.1f} s", f"{one.train_seconds:.0f} s", one.decision or "failed"]
        for number, task in enumerate(one.tasks):
            lines.append(" | ".join([*(start if number == 0 else [""] * len(start)), *_cells(task)]))
        if not one.tasks:
            lines.append(" | ".join([*start, *["-"] * (len(HEADER) - len(start))]))
    return "\n".join(f"| {line} |" for line in lines)


def _cells(task: Compared) -> list[str]:
    interval = f"{_signed(task.by)} [{_signed(task.low)}, {_signed(task.high)}]"
    counts = f"{task.rows:,} ({task.positives:,})"
    return [task.task, counts, _plain(task.auc), _plain(task.trees), interval, _plain(task.popularity)]


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}".replace("0.", ".", 1)


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}".replace("0.", ".", 1)
