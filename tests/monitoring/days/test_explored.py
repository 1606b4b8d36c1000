import json

import numpy as np
import pyarrow as pa
import pytest

from models.spec.serving import Explore
from monitoring.days import DaySummary, summarize
from monitoring.days.explored import canary_difference, sums_of
from tests.monitoring.served_days import FIRST, SPEC, joined

TODAY = FIRST.date().isoformat()
ROWS = 3000


def explored(**columns: object) -> pa.Table:
    """A day of two versions, half of whose slates were in random order. The labels of "2" are worse."""
    rng = np.random.default_rng(0)
    table = joined(0, ROWS)
    version = np.where(np.arange(ROWS) // 5 % 3 == 0, "2", "1")
    given = {
        "model_version": version,
        "propensity": np.where(rng.random(ROWS) < 0.6, 0.6, 0.1),
        "label_click": (rng.random(ROWS) < np.where(version == "1", 0.4, 0.2)) * 1.0,
        **columns,
    }
    for name, values in given.items():
        table = table.drop_columns([name]) if name in table.column_names else table
        table = table.append_column(name, pa.array(values, from_pandas=True))
    return table


def test_a_day_has_the_sums_of_each_version_and_task():
    table = explored()
    found = summarize(SPEC, table, TODAY, {})

    frame = table.to_pandas()
    own = frame[frame["model_version"] == "2"]
    usual = own[own["propensity"] > 0.5]
    sums = sums_of(found.explored["click"], "2")
    assert found.explored.keys() == {"click", "like"}
    assert (sums.rows, sums.placed, sums.refused) == (len(own), len(usual), 0)
    assert sums.clusters == usual["member"].nunique()
    assert sums.rate == pytest.approx(usual["label_click"].mean())

    result = canary_difference([found.explored["click"]], "1", "2")
    assert result.difference.high < 0
    back = canary_difference([found.explored["click"]], "2", "1")
    assert back.difference.value == -result.difference.value
    assert back.difference.error == pytest.approx(result.difference.error)


def test_the_page_gets_the_rate_of_each_version():
    found = summarize(SPEC, explored(), TODAY, {})
    usual = {
        (one["task"], one["version"]): one["usual"]
        for one in found.to_page()["figures"]
        if one.get("usual") is not None
    }

    assert usual.keys() == {(task, version) for task in ("click", "like") for version in ("1", "2")}
    assert usual["click", "2"] == pytest.approx(sums_of(found.explored["click"], "2").rate)


def test_json_and_the_order_of_the_rows_change_nothing():
    table = explored()
    found = summarize(SPEC, table, TODAY, {}).to_json()
    mixed = table.take(np.random.default_rng(1).permutation(ROWS))

    assert summarize(SPEC, mixed, TODAY, {}).to_json() == found
    assert DaySummary.from_json(json.loads(json.dumps(found, allow_nan=False))).to_json() == found


@pytest.mark.parametrize("propensity", [None, np.ones(ROWS), np.full(ROWS, np.nan), ["x"] * ROWS])
def test_without_exploration_a_day_has_no_sums(propensity):
    table = explored().drop_columns(["propensity"]) if propensity is None else explored(propensity=propensity)
    found = summarize(SPEC, table, TODAY, {})

    assert found.explored == {}
    assert found.canaries
    assert canary_difference([found.explored], "1", "2") is None


@pytest.mark.parametrize(("share", "tasks"), [(0.5, {"click", "like"}), (0.6, set())])
def test_where_most_slates_are_in_random_order_a_day_has_no_sums(share, tasks):
    serving = SPEC.serving.model_copy(update={"explore": Explore(share=share)})
    found = summarize(SPEC.model_copy(update={"serving": serving}), explored(), TODAY, {})
    assert found.explored.keys() == tasks


def test_a_summary_of_an_older_release_has_no_sums():
    document = summarize(SPEC, explored(), TODAY, {}).to_json()
    del document["explored"]

    assert DaySummary.from_json(document).explored == {}


def test_wrong_propensities_pending_rows_and_fallbacks_are_left_out():
    propensity = explored()["propensity"].to_numpy().copy()
    version = explored()["model_version"].to_numpy(zero_copy_only=False)
    label = explored()["label_click"].to_numpy().copy()
    places = np.flatnonzero(version == "1")
    propensity[places[:5]] = [0.0, -1.0, 1.5, np.inf, np.nan]
    label[places[5:8]] = np.nan
    fallback = np.zeros(ROWS, dtype=bool)
    fallback[places[8:12]] = True
    found = summarize(SPEC, explored(propensity=propensity, label_click=label, fallback=fallback), TODAY, {}).explored[
        "click"
    ]
    rest = np.ones(ROWS, dtype=bool)
    rest[places[:12]] = False
    clean = summarize(SPEC, explored().filter(pa.array(rest)), TODAY, {}).explored["click"]

    assert found["versions"]["1"] == {**clean["versions"]["1"], "refused": 5}
    assert found["versions"]["2"] == clean["versions"]["2"]


def test_an_empty_day_and_unknown_versions_have_none():
    found = summarize(SPEC, explored(), TODAY, {}).explored["click"]

    assert summarize(SPEC, explored().slice(0, 0), TODAY, {}).explored == {}
    assert canary_difference([found, {}], "1", "3") is None
    assert sums_of({}, "1") is None
