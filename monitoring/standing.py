"""Where the candidate stands against the floor, in one plain sentence, and what to do where it is no better."""

from collections.abc import Mapping
from typing import Any

from monitoring.predictions import FLOOR

WINDOW = "test"
_SMALLEST = 5e-5
"""A difference that the sentence's four decimals do not show is none."""


def standing(metrics: Mapping[str, Any], trees_on: bool, alone: bool = False) -> dict[str, str | None]:
    """``sentence`` and ``recommendation`` (None = the candidate is worth its network) for a document of ``measure``.

    ``trees_on``: whether the candidate has trees beside its network; ``alone``: whether those serve alone.
    ``metrics["cost"]``: seconds to score a row with each part, where they were measured.
    """
    tasks = {task: _compared(metrics, task) for task in metrics["tasks"]}
    if alone:
        return {"sentence": "The trees serve alone: their weight is 1 in every task.", "recommendation": None}
    parts = [
        *(
            f"better than your trees by {_range(ahead)} on {task}"
            for task, (how, ahead) in tasks.items()
            if how == "better"
        ),
        *(
            f"worse than your trees by {_range(ahead)} on {task}"
            for task, (how, ahead) in tasks.items()
            if how == "worse"
        ),
    ]
    level = [task for task, (how, _) in tasks.items() if how == "level"]
    if level:
        parts.append(f"level {'' if parts else 'with your trees '}on {_listed(level)}")
    untold = [task for task, (how, _) in tasks.items() if how == "unknown"]
    if untold:
        parts.append(f"not compared on {_listed(untold)}, whose {WINDOW} labels are of one class or too few")
    no_trees = [task for task, (how, _) in tasks.items() if how == "no trees"]
    if no_trees:
        parts.append(f"no trees to compare with on {_listed(no_trees)}: too few rows of both classes to fit any")
    sentence = "; ".join(parts)
    how = tasks[metrics["primary_task"]][0]
    return {
        "sentence": f"{sentence[:1].upper()}{sentence[1:]}." if sentence else "",
        "recommendation": _advice(metrics, how, trees_on) if how in ("level", "worse") else None,
    }


def _compared(metrics: Mapping[str, Any], task: str) -> tuple[str, dict[str, float]]:
    """better, worse, level, unknown or no trees; and the difference in AUC, {by, low, high}."""
    found = metrics["windows"][WINDOW]["scores"].get(FLOOR, {}).get(task)
    if found is None or found["auc_low"] == found["auc_high"] == 0.5:  # every row has the same score
        return "no trees", {}
    ahead = found["ahead"]["auc"]
    if ahead["low"] is None or ahead["high"] is None:
        return "unknown", ahead
    if ahead["low"] >= _SMALLEST:
        return "better", ahead
    return ("worse" if ahead["high"] <= -_SMALLEST else "level"), ahead


def _range(ahead: Mapping[str, float]) -> str:
    low, high = sorted(abs(ahead[bound]) for bound in ("low", "high"))
    return f"{low:.4f} to {high:.4f}"


def _advice(metrics: Mapping[str, Any], how: str, trees_on: bool) -> str:
    task, cost = metrics["primary_task"], metrics.get("cost") or {}
    why = f"the same quality on {task}" if how == "level" else f"better on {task}"
    if cost.get("network") and cost.get(FLOOR):
        network, trees = (1e6 * cost[part] for part in ("network", FLOOR))
        why += f"; in the batches of this run they scored a row in {trees:,.0f} µs, the network in {network:,.0f} µs"
    keys = "`model.trees_weight: 1`" if trees_on else "`model.trees: true` and `model.trees_weight: 1`"
    return f"Serve the trees alone: {why}. Set {keys} and run again; they serve at the same endpoint."


def _listed(names: list[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), names[-1]])
