import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
from monitoring.calibration import reliability, roc
from monitoring.measure import measure
from tests.monitoring.fakes import fake_predictions, small_spec

SPEC = small_spec()


def test_metrics_come_by_window_scorer_and_task() -> None:
    predictions = fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 0.6, "trees": 1.0})
    found = measure(SPEC, predictions)
    scores = found["windows"]["test"]["scores"]
    assert list(scores) == ["candidate", "trees", "champion", "oracle"]
    click = scores["candidate"]["click"]
    assert click["auc_low"] < click["auc"] < click["auc_high"]
    assert scores["trees"]["click"]["way"] < click["way"] < 1
    assert scores["oracle"]["click"]["way"] == 1
    assert "like" not in scores["oracle"]
    assert scores["candidate"]["like"]["rows"] < click["rows"]
    assert sum(surface["rows"] for surface in click["surfaces"].values()) == click["rows"] == 4000


def test_ranking_within_members_is_read_from_the_frozen_state_alone() -> None:
    predictions = fake_predictions(SPEC, rows=1000)
    flipped = predictions.copy()
    frozen = flipped["state"] == "frozen"
    flipped.loc[frozen, "candidate_click"] = 1 - flipped.loc[frozen, "candidate_click"]
    before, after = (
        measure(SPEC, frame)["windows"]["test"]["scores"]["candidate"]["click"] for frame in (predictions, flipped)
    )
    assert after["gauc"] == pytest.approx(1 - before["gauc"])
    assert {key: after[key] for key in ("auc", "log_loss", "ece")} == {
        key: before[key] for key in ("auc", "log_loss", "ece")
    }


def test_ndcg_is_at_ten_in_frozen_state() -> None:
    predictions = fake_predictions(SPEC, rows=1000, members=30)
    found = measure(SPEC, predictions)["windows"]["test"]["scores"]["candidate"]["click"]["ndcg_at_10"]
    rows = predictions[(predictions["window"] == "test") & (predictions["state"] == "frozen")]
    labels, scores, members = (rows[name].to_numpy() for name in ("label_click", "candidate_click", "member"))
    assert found == metrics.ndcg(labels, scores, members, k=10) != metrics.ndcg(labels, scores, members, k=5)


def test_what_is_not_defined_is_none_and_the_document_is_strict_json() -> None:
    one_class = fake_predictions(SPEC, rows=200).assign(label_click=1.0)
    one_class.loc[0, "candidate_click"] = np.nan
    for frame in (one_class, one_class.iloc[:0]):
        found = measure(SPEC, frame)
        click = found["windows"]["gate"]["scores"]["candidate"]["click"]
        assert click["auc"] is None
        assert click["log_loss"] is None
        assert click["way"] is None
        json.dumps(found, allow_nan=False)


def test_real_logs_have_no_oracle_and_no_way() -> None:
    found = measure(SPEC, fake_predictions(SPEC, rows=200).drop(columns="oracle"))
    scores = found["windows"]["test"]["scores"]
    assert "oracle" not in scores
    assert scores["candidate"]["click"]["way"] is None


SCORES = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.2, 0.5, 0.9])), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_the_area_under_the_roc_curve_is_the_auc(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([float(label) for label, _ in rows])
    scores = np.array([score for _, score in rows])
    curve = roc(labels, scores)
    if labels.min() == labels.max():
        assert curve["true_positive_rate"] == []
        return
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(metrics.auc(labels, scores))
    assert curve["false_positive_rate"][0] == curve["true_positive_rate"][0] == 0
    assert curve["false_positive_rate"][-1] == curve["true_positive_rate"][-1] == 1


def test_reliability_bins_hold_all_rows_and_none_without_rows() -> None:
    generator = np.random.default_rng(0)
    chance = generator.random(1003)
    bins = reliability((generator.random(1003) < chance).astype(float), chance)
    assert sum(part["rows"] for part in bins) == 1003
    assert [part["predicted"] for part in bins] == sorted(part["predicted"] for part in bins)
    assert all(abs(part["predicted"] - part["observed"]) < 0.15 for part in bins)
    assert reliability(np.array([]), np.array([])) == []
