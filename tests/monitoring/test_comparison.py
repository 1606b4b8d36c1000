import numpy as np
import pytest

from models.bootstrap import UserBootstrap
from monitoring.ahead import SEED
from monitoring.comparison import compare, table
from monitoring.errors import PredictionsError
from monitoring.predictions import defined
from tests.monitoring.fakes import fake_predictions, small_spec

SPEC = small_spec()


def test_the_better_model_has_a_difference_above_zero() -> None:
    single = fake_predictions(SPEC, noise={"candidate": 1.5})
    cross = fake_predictions(SPEC, noise={"candidate": 0.3})
    single["label_click"] = cross["label_click"]
    single["oracle"] = cross["oracle"]
    found = compare(SPEC, single, cross, bootstraps=200)
    assert found["difference"]["low"] > 0
    assert found["difference"]["low"] < found["difference"]["auc"] < found["difference"]["high"]
    assert found["models"][0]["way"] < found["models"][1]["way"] < 1
    text = table(found)
    assert f"{found['difference']['auc']:+.4f}" in text
    assert "cross-domain" in text
    assert "oracle" in text


def test_a_model_against_itself_differs_by_nothing_and_the_order_of_rows_does_not_matter() -> None:
    predictions = fake_predictions(SPEC, rows=500).drop(columns="oracle")
    found = compare(SPEC, predictions, predictions.sample(frac=1, random_state=1), bootstraps=50)
    assert found["difference"] == {"auc": 0.0, "low": 0.0, "high": 0.0}
    assert found["oracle"] is None
    assert "oracle" not in table(found)


def test_the_interval_of_the_difference_is_the_middle_95_percent_of_paired_draws() -> None:
    first, second = (fake_predictions(SPEC, rows=400, noise={"candidate": noise}) for noise in (1.0, 0.5))
    second["label_click"] = first["label_click"]
    found = compare(SPEC, first, second, bootstraps=50)["difference"]
    rows = [defined(SPEC, frame, "test", "as_of", "click") for frame in (first, second)]
    bootstrap = UserBootstrap(rows[0].members, 50, SEED)
    one, other = (bootstrap.draws("auc", part.labels, part.scores["candidate"]) for part in rows)
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(other - one, [0.025, 0.975]))


def test_other_impressions_other_labels_and_missing_scorers_are_refused() -> None:
    predictions = fake_predictions(SPEC, rows=200)
    with pytest.raises(PredictionsError, match="same impressions"):
        compare(SPEC, predictions, predictions[predictions["key"] != predictions["key"].max()])
    with pytest.raises(PredictionsError, match="same impressions"):
        compare(SPEC, predictions, predictions.assign(label_click=1 - predictions["label_click"]))
    with pytest.raises(PredictionsError, match="champion_click"):
        compare(SPEC, predictions, predictions, scorer="champion")


def test_one_class_or_no_rows_give_a_table_without_figures() -> None:
    predictions = fake_predictions(SPEC, rows=200)
    for frame in (predictions.assign(label_click=0.0), predictions.assign(label_click=np.nan)):
        found = compare(SPEC, frame, frame, bootstraps=50)
        assert found["difference"]["auc"] is None
        assert "-" in table(found)
