"""Undefined metrics end no step."""

import json
import math

from kfp import dsl

from components.finite import log_finite


def test_what_is_no_finite_number_is_left_out() -> None:
    metrics = dsl.Metrics(name="metrics", uri="nowhere")
    values = {"auc": 0.5, "epochs": 3, "missing": math.nan, "endless": math.inf, "text": "0.5", "flag": True}
    log_finite(metrics, values)
    assert json.loads(json.dumps(metrics.metadata, allow_nan=False)) == {"auc": 0.5, "epochs": 3}
    log_finite(metrics, {})
