"""The report's section about the floor: the candidate beside trees, popularity and its network, as plain data."""

from typing import Any

from monitoring.predictions import BESIDE

METRICS = (("auc", "AUC"), ("gauc", "GAUC"), ("log_loss", "log loss"), ("ece", "ECE"))
_WINDOWS = ("gate", "test")


def floor_view(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    """``sentence``, ``recommendation``, ``columns``, and ``rows``: {task, window, scorer, cells, first}.

    A cell is {value, by, low, high}: the scorer's metric, and the candidate's minus it with its 95 % interval; of the
    candidate itself the value alone. None without a document of ``measure``.
    """
    if metrics is None:
        return None
    rows = []
    for task in metrics["tasks"]:
        for window in _WINDOWS:
            scores = metrics["windows"][window]["scores"]
            known = [scorer for scorer in ("candidate", *BESIDE) if task in scores.get(scorer, {})]
            for scorer in known:
                found = scores[scorer][task]
                ahead = found.get("ahead") or {}
                cells = [{"value": found[key], **ahead.get(key, {})} for key, _ in METRICS]
                rows.append({"task": task, "window": window, "scorer": scorer, "cells": cells})
    standing = metrics.get("standing") or {}
    told = {key: standing.get(key) for key in ("sentence", "recommendation")}
    return {**told, "columns": [title for _, title in METRICS], "rows": rows}
