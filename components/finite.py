"""Metrics of a step as KFP keeps them: its protocol has no number for an undefined one."""

import math
from collections.abc import Mapping
from typing import Any


def log_finite(metrics: Any, values: Mapping[str, object]) -> None:
    """Log the numbers among ``values`` to a KFP metrics artifact; leave out NaN, infinities and what is no number.

    The AUC of a task with one class is NaN: with it KFP could not read what the step has written, and the run would
    end without its reason.
    """
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            metrics.log_metric(name, value)
