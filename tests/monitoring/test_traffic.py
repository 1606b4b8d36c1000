import json

import numpy as np
import pandas as pd
import pytest

from models.time_units import HOUR
from monitoring.errors import TrafficError
from monitoring.traffic import from_predictions, summarise
from tests.monitoring.fakes import fake_predictions, small_spec

SPEC = small_spec()
START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


def test_figures_by_day_and_surface_add_up() -> None:
    found = summarise(from_predictions(SPEC, fake_predictions(SPEC), "test"))
    assert found["rows"] == found["labelled"] == 4000
    assert [day["day"] for day in found["days"]] == ["2026-01-07"]
    assert sum(surface["rows"] for surface in found["surfaces"]) == 4000
    weighted = sum(surface["ctr"] * surface["labelled"] for surface in found["surfaces"])
    assert found["ctr"] == pytest.approx(weighted / 4000)
    assert len(found["deciles"]) == 10


def test_days_begin_at_midnight_in_the_zone() -> None:
    time = pd.to_datetime([START + 15 * HOUR, START + 17 * HOUR], unit="us", utc=True)
    frame = pd.DataFrame({"time": time, "surface": "feed", "label": [1, 0], "probability": [0.5, 0.5]})
    assert [day["day"] for day in summarise(frame, "Asia/Shanghai")["days"]] == ["2026-01-01", "2026-01-02"]


def test_a_model_that_promises_twice_as_much_has_ratio_two() -> None:
    time = pd.to_datetime([START] * 100, unit="us", utc=True)
    frame = pd.DataFrame({"time": time, "surface": "feed", "label": [1, 0, 0, 0, 0] * 20, "probability": 0.4})
    found = summarise(frame)
    assert found["ratio"] == pytest.approx(2)
    assert found["ece"] == pytest.approx(0.2)


def test_figures_are_of_labelled_rows_and_calibration_is_by_decile() -> None:
    """Two halves, off by 0.2 in opposite directions; rows without a label would change every figure."""
    time = pd.to_datetime([START] * 100, unit="us", utc=True)
    labels, probability = np.repeat([1.0, 0.0], 40), np.repeat([0.8, 0.2], 40)
    rows = {"label": [*labels, *[np.nan] * 20], "probability": [*probability, *[0.9] * 20]}
    found = summarise(pd.DataFrame({"time": time, "surface": "feed", **rows}))
    assert (found["rows"], found["labelled"], found["ctr"]) == (100, 80, 0.5)
    assert found["predicted"] == pytest.approx(0.5)
    assert found["ece"] == pytest.approx(0.2)


def test_no_rows_and_no_labels_are_no_error() -> None:
    rows = from_predictions(SPEC, fake_predictions(SPEC, rows=50), "test")
    for frame in (
        rows.iloc[:0],
        rows.assign(label=np.nan),
        pd.DataFrame(columns=["time", "surface", "label", "probability"]),
    ):
        found = summarise(frame)
        assert found["labelled"] == 0
        assert found["ctr"] is None
        json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("column", "value"), [("label", 2), ("probability", 1.2), ("probability", -0.1)])
def test_impossible_values_are_refused(column: str, value: float) -> None:
    rows = from_predictions(SPEC, fake_predictions(SPEC, rows=50), "test")
    with pytest.raises(TrafficError, match=column):
        summarise(rows.assign(**{column: value}))
