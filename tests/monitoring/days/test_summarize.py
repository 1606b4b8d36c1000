import json
import math

import numpy as np
import pyarrow as pa
import pytest

from models.metrics import auc
from models.time_units import DAY, HOUR, microseconds, moment
from monitoring.days import DaySummary, summarize
from monitoring.errors import SummaryError
from tests.factories.specs import document, impressions, spec_of

CONTEXT = {"place": "number", "device": "category"}
SPEC = spec_of(document(impressions=impressions(context=CONTEXT)))
TODAY = "2026-03-02"
BEGIN = microseconds(moment(0).replace(year=2026, month=3, day=2))
COUNTS = {"outcomes": 5, "torn": 2, "duplicate": 1}


def joined(rows: int = 40, **columns: object) -> pa.Table:
    place = np.arange(rows)
    positive = place % 4 == 0
    whole = {
        "served": BEGIN + place * HOUR % DAY,
        "slate": [f"slate {one // 4}" for one in place],
        "impression": [f"slate {one // 4}/{one % 4}" for one in place],
        "member": place // 8,
        "item": place % 5,
        "surface": np.where(place < rows // 2, "feed", "email"),
        "model_version": np.where(place % 8 < 4, "1", "2"),
        "fallback": place < 4,
        "member_cold": place % 2 == 0,
        "item_cold": np.zeros(rows, dtype=bool),
        "stale": np.where(place % 2 == 0, "vectors,counters", ""),
        "latency": place / 100,
        "probability_click": (place + 1) / (2 * rows),
        "label_click": positive * 1.0,
        "happened_click": pa.array(BEGIN + place * HOUR % DAY + HOUR, mask=~positive),
        "place": np.where(place % 5 == 0, np.nan, place),
        "device": np.where(place % 2 == 0, "phone", "tablet"),
    }
    return pa.table({**whole, **columns})


def test_a_clock_moves_by_itself_and_is_not_compared():
    timed = spec_of(document(impressions=impressions(context=CONTEXT), time_features={"day": {"clock": "weekday"}}))
    found = summarize(timed, joined(day=["0"] * 40), TODAY, COUNTS)
    assert set(found.columns) == {"place", "device"}
    assert "day" in summarize(SPEC, joined(day=["0"] * 40), TODAY, COUNTS).columns


def test_a_day_is_counted_in_every_section():
    found = summarize(SPEC, joined(), TODAY, COUNTS)

    assert (found.rows, found.log["torn"], found.log["clock"]) == (40, 2, 0)
    assert (found.serving["slates"], found.serving["fallback"], found.serving["member_cold"]) == (10, 0.1, 0.5)
    assert found.serving["stale"] == {"vectors": 0.5, "counters": 0.5}
    assert found.serving["latency"] == {"p50": 0.2, "p99": 0.39}
    assert found.traffic["surfaces"] == {"email": 20, "feed": 20}
    assert found.traffic["member"] == {"distinct": 5, "share": 0.2, "most": "0"}
    assert sum(found.traffic["hours"]) == 40
    assert found.columns["place"]["missing"] == 7  # the four fallbacks do not count
    assert found.columns["device"]["values"] == {"phone": 18, "tablet": 18}
    assert found.predictions["click"]["all"]["mean"] == pytest.approx(np.arange(5, 41).mean() / 80)
    assert found.labels["click"]["email"] == {
        "rows": 20,
        "settled": 20,
        "positives": 5,
        "delay": [0] * 6 + [5] + [0] * 5,
    }


def test_a_fallback_is_neither_cold_nor_warm():
    place = np.arange(40)
    cold = {"fallback": place < 30, "member_cold": place < 32, "item_cold": place < 31}
    serving = summarize(SPEC, joined(**cold), TODAY, COUNTS).serving
    assert (serving["fallback"], serving["member_cold"], serving["item_cold"]) == (0.75, 0.2, 0.1)
    serving = summarize(SPEC, joined(**{**cold, "fallback": place >= 0}), TODAY, COUNTS).serving
    assert (serving["fallback"], serving["member_cold"], serving["item_cold"]) == (1.0, 0.0, 0.0)


def test_figures_are_those_of_the_rows():
    table = joined(400)
    found = summarize(SPEC, table, TODAY, COUNTS)

    rows = table.slice(4)  # without the fallbacks
    label, probability = rows["label_click"].to_numpy(), rows["probability_click"].to_numpy()
    whole = found.figure("click")
    assert whole is not None
    assert (whole.settled, whole.positives) == (396, 99)
    assert whole.expected == pytest.approx(probability.sum())
    assert whole.auc == pytest.approx(auc(label, probability))
    assert found.figure("click", surface="feed", version="1").rows == 100 - 4
    assert found.figure("click", cohort="cold").rows + found.figure("click", cohort="warm").rows == 396
    assert found.canaries == ()  # no hour has rows of both versions
    assert found.figure("click", surface="moon") is None


def test_a_canary_of_a_few_rows_without_a_click_is_not_certain():
    def canary(members):
        columns = {"member": np.r_[np.arange(380), 1000 + np.arange(20) % members]}
        columns["model_version"] = np.where(np.arange(400) < 380, "1", "2")
        columns["label_click"] = np.where(np.arange(400) < 380, np.arange(400) % 4 == 0, 0) * 1.0
        return summarize(SPEC, joined(400, **columns), TODAY, COUNTS).canaries

    (found,) = canary(members=10)
    assert found["difference"] < -0.2
    assert found["error"] == pytest.approx((0.24 * 0.76 * (1 / 376 + 1 / 20)) ** 0.5, rel=0.02)
    assert not canary(members=1)  # what one member does says nothing of a version


def test_pending_rows_are_no_negative_ones():
    label = joined()["label_click"].to_numpy().copy()
    label[20:] = np.nan
    whole = summarize(SPEC, joined(label_click=pa.array(label, from_pandas=True)), TODAY, COUNTS)

    assert (whole.labels["click"]["all"]["settled"], whole.labels["click"]["all"]["positives"]) == (20, 5)
    assert whole.figure("click").settled == 16
    assert whole.to_page()["pending"] == 20


def test_the_order_of_the_rows_changes_nothing():
    table = joined(300)
    order = np.random.default_rng(1).permutation(300)

    assert (
        summarize(SPEC, table.take(order), TODAY, COUNTS).to_json() == summarize(SPEC, table, TODAY, COUNTS).to_json()
    )


def test_rows_of_an_impossible_clock_are_counted_and_left_out():
    served = joined()["served"].to_numpy().copy()
    served[:8] += 7 * 365 * DAY

    found = summarize(SPEC, joined(served=served), TODAY, {"clock": 1})

    assert (found.rows, found.log["clock"]) == (32, 9)


def test_a_summary_survives_json():
    found = summarize(SPEC, joined(400), TODAY, COUNTS, {"place": {"psi": 0.1}})
    text = json.dumps(found.to_json(), allow_nan=False)

    assert DaySummary.from_json(json.loads(text)) == found
    assert DaySummary.from_json(json.loads(text)).to_json() == found.to_json()
    json.dumps(found.to_page(), allow_nan=False)


def test_a_summary_without_a_profile_is_read():
    found = summarize(SPEC, joined(), TODAY, COUNTS)
    document = found.to_json()
    document["shifts"] = {"place": {"psi": 0.1}}
    del document["profile"]
    assert DaySummary.from_json(document) == found


@pytest.mark.parametrize("given", [{}, {"format": 9}, {"format": 1, "day": "2026-01-01"}])
def test_anything_else_is_refused(given):
    with pytest.raises(SummaryError, match="expected what DaySummary"):
        DaySummary.from_json(given)


ODD = {
    "no rows": joined().slice(0, 0),
    "no columns": pa.table({}),
    "only the time": pa.table({"served": [BEGIN]}),
    "nulls": pa.table({name: pa.nulls(5) for name in joined().column_names}),
    "one row": joined(1),
    "probabilities outside": joined(probability_click=np.array([math.nan, -1, 2, math.inf] * 10)),
    "labels of another value": joined(label_click=np.full(40, 7.0)),
    "text for numbers": joined(place=[str(one) for one in range(40)], probability_click=["a"] * 40, latency=["x"] * 40),
    "numbers for text": joined(surface=np.arange(40), device=np.arange(40), model_version=np.ones(40)),
    "lists": joined(place=[[1.0]] * 40, surface=[["feed"]] * 40),
    "dictionaries": joined(device=pa.array(["phone"] * 40).dictionary_encode()),
    "a surface with the name all": joined(surface=["all"] * 40),
    "times": joined(served=joined()["served"].cast(pa.timestamp("us", "UTC"))),
    "infinite features": joined(place=np.full(40, math.inf)),
    "extreme times": joined(
        served=np.full(40, np.iinfo(np.int64).max), happened_click=np.full(40, np.iinfo(np.int64).min)
    ),
}


@pytest.mark.parametrize("table", ODD.values(), ids=ODD)
def test_odd_tables_make_a_summary(table):
    found = summarize(SPEC, table, TODAY, {})

    json.dumps(found.to_json(), allow_nan=False)
    assert found.rows + found.log["clock"] == table.num_rows
