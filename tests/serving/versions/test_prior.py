from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving.versions.prior import Prior
from tests.serving.world import DOCUMENT, world_spec

SPEC = world_spec(
    tasks={"click": {"label": "click", "primary": True}, "dwell": {"label": "dwell", "filter": {"click": [1]}}}
)


def training_set(folder: Path, rows: list[tuple[int, str, int, int | None]]) -> Path:
    frame = pd.DataFrame(rows, columns=["item", "window", "click", "dwell"])
    frame["dwell"] = frame["dwell"].astype("Int8")
    frame.to_parquet(folder / "impressions.parquet")
    return folder


def test_rates_are_smoothed_of_the_train_window_and_of_the_rows_that_a_task_is_defined_on(tmp_path: Path) -> None:
    rows = [(7, "train", 1, 1)] * 10 + [(7, "train", 0, 1)] * 10 + [(8, "train", 0, None)] * 20
    rows += [(8, "test", 1, 1)] * 500
    prior = Prior.fit(SPEC, training_set(tmp_path, rows))
    found = prior.probabilities([7, 8, 9])
    overall = 10 / 40
    expected = [(10 + 20 * overall) / 40, (20 * overall) / 40, overall]
    np.testing.assert_allclose(found["click"], expected)
    np.testing.assert_allclose(found["dwell"], [1.0, 1.0, 1.0])  # only clicked rows count, and all have the label


def test_nothing_shown_is_no_error(tmp_path: Path) -> None:
    found = Prior.fit(SPEC, training_set(tmp_path, [(7, "test", 1, 1)])).probabilities([7, 8])
    assert {task: values.tolist() for task, values in found.items()} == {"click": [0.5, 0.5], "dwell": [0.5, 0.5]}
    assert Prior.empty(SPEC).probabilities([])["click"].tolist() == []


@pytest.mark.parametrize(("key_type", "items"), [("int", [3, 1]), ("string", ["c", "a"])])
def test_it_is_read_back_as_it_was(tmp_path: Path, key_type: str, items: list[Any]) -> None:
    spec = world_spec(nodes={"member": {"key": "member_id"}, "item": {"key": "item_id", "key_type": key_type}})
    rates = {"click": np.array([0.3, 0.1]), "dwell": np.array([0.2, 0.4])}
    prior = Prior(items, rates, {"click": 0.5, "dwell": 0.6})
    prior.write(tmp_path / "popularity.parquet", spec)
    found = Prior.read(tmp_path / "popularity.parquet").probabilities([items[1], items[0], "other"])
    assert {task: values.tolist() for task, values in found.items()} == {
        "click": [0.1, 0.3, 0.5],
        "dwell": [0.4, 0.2, 0.6],
    }


@pytest.mark.parametrize(("rates", "mean"), [({"click": 0.02}, 0.02), ({}, 0.5)])
def test_sampled_negatives_are_not_popularity(tmp_path: Path, rates: dict[str, float], mean: float) -> None:
    spec = world_spec(impressions={**DOCUMENT["impressions"], "sample_negatives": {"real_rate": rates}})
    training_set(tmp_path, [(7, "train", 1, 1)] * 60 + [(8, "train", 1, 0)] * 20 + [(9, "train", 0, None)] * 500)
    path = tmp_path / "impressions.parquet"
    frame = pd.read_parquet(path)
    frame.assign(sampled=(frame["item"] == 9).astype("int8")).to_parquet(path)
    prior = Prior.fit(spec, tmp_path)
    assert prior.most_shown(5) == [7, 8]
    odds = mean / (1 - mean) * np.array([60 + 20, 20 + 20, 20]) / (40 + 20)
    np.testing.assert_allclose(prior.probabilities([7, 8, 9])["click"], odds / (1 + odds))
    assert Prior.fit(spec, tmp_path).probabilities([7])["dwell"][0] > prior.probabilities([8])["dwell"][0]
