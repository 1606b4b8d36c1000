"""A finding of the screen, and its sentence."""

from typing import Any, Literal

from monitoring.leaks.parts import Part
from monitoring.leaks.pure import Pure

Rule = Literal["alone", "jump", "better", "train", "pure"]


def finding_of(
    part: Part,
    column: str,
    rule: Rule,
    area: float,
    without: float | None = None,
    *,
    role: str = "member",
    pure: Pure | None = None,
    expected: float = 0.0,
) -> dict[str, Any]:
    """The finding as JSON. ``area``: AUC of the column; ``without``: that of the other columns' model.

    ``role``: whose previous row, for ``jump``; ``pure`` and what the model ``expected`` of its rows, for ``pure``.
    """
    task, rate, share = part.task, pure.rate if pure else 0.0, pure.share if pure else 0.0
    where = f" on the surface {part.surface}" if part.surface else ""
    where += " among items of one popularity" if part.strata is not None else ""
    other = f"{without or 0:.3f}"
    said = {
        "alone": f"alone predicts {task} with an AUC of {area:.3f} on the validate window",
        "jump": f"changes with the outcome before that has settled: its change since the {role}'s previous row "
        f"predicts {task} with an AUC of {area:.3f}",
        "train": f"alone predicts {task} with an AUC of {area:.3f} on train, where a model without it has "
        f"{other} on later days",
        "better": f"alone predicts {task} with an AUC of {area:.3f} on the validate window, where a model of the "
        f"other columns has {other}",
        "pure": f"has values of positives only: {rate:.1%} of the validate rows with them, which are {share:.0%} of "
        f"all positives, have {task} = 1, where a model of the other columns expects {expected:.1%}",
    }[rule]
    sentence = (
        f"The column {column} {said}{where}, so it probably holds the outcome: leave it out of the spec, or, if its "
        f"value is known when a request is made, add it to `impressions.known_at_request`."
    )
    told = {"column": column, "task": task, "surface": part.surface, "rule": rule}
    return {**told, "auc": area, "without": without, "sentence": sentence}
