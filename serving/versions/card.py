"""Model card: intended use, data, training, metrics and limits of a version, as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from models.calibration import Calibration
from models.spec import Spec
from models.spec.negative_references import negative_tasks
from models.spec.schema import WINDOW_ORDER
from models.time_units import iso


def model_card(
    spec: Spec,
    metrics: Mapping[str, Any],
    data: Mapping[str, Any],
    training: Mapping[str, Any],
    calibration: Calibration,
    judged: Mapping[str, Any] | None = None,
) -> str:
    """Render the card. ``metrics``, ``data`` and ``training`` may be nested; values may have bounds.

    ``calibration``: what is served.

    ``judged``: training facts of the judged weights, where those of a refit serve.
    """
    tasks = ", ".join(f"`{name}`{' (primary)' if task.primary else ''}" for name, task in spec.tasks.items())
    member, item = spec.impressions.member.node, spec.impressions.item.node
    return (
        "\n\n".join(
            [
                f"# Model card: {spec.name}",
                f"A cross-domain temporal graph ranker with one probability per task: {tasks}.",
                "## Intended use\n\n"
                f"Ranking candidate items (`{item}`) for one member (`{member}`) on the surfaces "
                f"{', '.join(f'`{surface}`' for surface in spec.impressions.surfaces)}, at request time. Ranking is "
                f"by `{spec.primary_task}`. The probabilities are calibrated (Platt) on the days below; "
                "they are not meant for decisions about people outside of such a ranking.",
                "## Data\n\n" + _windows(spec) + "\n\n" + _table(("digest of", "value"), data),
                "## Training\n\n" + _days(training, judged) + _table(("fact", "value"), training),
                "## Metrics\n\n"
                "Measured on days after all training data. Two numbers in brackets are the bounds of a 95 % "
                "bootstrap interval over members.\n\n" + _table(("metric", "value"), metrics),
                "## Limits\n\n"
                "- A member or an item without a vector in the online store is scored by the cold path, from "
                "counters and context. The response flags it (`member_cold`, `cold`).\n"
                "- Vectors are as old as the last push of vectors; counters are as old as the last event that was "
                "pushed, or the last materialization.\n"
                f"{_seen(spec, calibration)}"
                "- No fairness analysis over groups of members was made; the data names no such groups.",
            ]
        )
        + "\n"
    )


def _seen(spec: Spec, calibration: Calibration) -> str:
    """What the rows to train on leave open."""
    sampling = spec.impressions.sample_negatives
    if sampling is None:
        return "- The model is trained on impressions: it has not seen items that were never shown.\n"
    rates = {task: rate for task, rate in negative_tasks(spec).items() if task in calibration.offsets}
    text = (
        f"- The log has positives only: {sampling.per_positive} negatives for each were drawn (`{sampling.by}`) from "
    )
    text += "the items that were alive. The metrics are on such rows.\n"
    known = ", ".join(f"`{task}` to {rate:g}" for task, rate in rates.items() if rate is not None)
    unknown = ", ".join(f"`{task}`" for task in calibration.relative)
    text += f"- Probabilities are corrected to the given share of positives: {known}.\n" if known else ""
    relative = f"- Probabilities of {unknown} are relative: they rank, and their level means nothing until a "
    return text + (relative + "recalibration on served outcomes.\n" if unknown else "")


def _days(training: Mapping[str, Any], judged: Mapping[str, Any] | None) -> str:
    """Which days the weights were trained on, where the artifact says so."""
    if "until" not in training:
        return ""
    text = f"The serving weights were trained on the impressions from {training['from']} to {training['until']}."
    if judged is not None:
        until = judged.get("until", "an earlier day")
        text += f" They are a refit. The gate judged weights trained until {until}, which are kept in"
        text += " `judged/`; the metrics below are theirs."
    return text + "\n\n"


def _windows(spec: Spec) -> str:
    lines = ["| window | from | to (excluded) |", "|---|---|---|"]
    for name in WINDOW_ORDER:
        span = spec.span(name)
        lines.append(f"| {name} | {_iso(span.start)} | {_iso(span.end)} |")
    return "\n".join(lines)


def _iso(time: int) -> str:
    return iso(time).replace("+00:00", "Z")


def _table(head: tuple[str, str], values: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {_text(value)} |" for name, value in _flat(values)]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *rows]) if rows else "None recorded."


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and not {"low", "high"} <= set(value):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    """Format one cell: numbers with four digits; a mapping with low and high as ``value [low, high]``."""
    if isinstance(value, Mapping) and not {"low", "high"} <= set(value):
        return ", ".join(f"{name} {_text(entry)}" for name, entry in value.items())
    if isinstance(value, Mapping):
        bounds = f"[{_text(value['low'])}, {_text(value['high'])}]"
        rest = [_text(number) for name, number in value.items() if name not in ("low", "high")]
        return " ".join([*rest, bounds])
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(entry) for entry in value[:20]) + (", ..." if len(value) > 20 else "")
    return str(value).replace("|", "\\|").replace("\n", " ")
