"""A live world's traffic against an endpoint that shows the first candidate."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks.loop.faults import FAULTS, set_faults
from benchmarks.loop.product import LoopProduct, spec
from benchmarks.loop.traffic import NEW_APP, Traffic
from feature_repo.sources.world.draw import DAY
from feature_repo.sources.world.live import Drift, LiveSize, LiveWorld
from feature_repo.sources.world.size import WorldSize
from models.clock import SIMULATED

FIRST = 12
SIZE = LiveSize(WorldSize(60, 20, 10, 200, 60, 60, deliveries=10), days=15, first=FIRST, candidates=3)


class StubProduct(LoopProduct):
    """Shows the candidates in the order of the request."""

    def rank(self, instances: Any) -> list[dict[str, Any]]:
        self.requests = [*getattr(self, "requests", []), *instances]
        return [
            {
                "model_version": "1",
                "fallback": False,
                "slate": [
                    {"item": item, "impression": f"i/{place}", "capped": place > 0, "probabilities": {"click": 0.1}}
                    for place, item in enumerate(one["items"])
                ],
            }
            for one in instances
        ]

    def push(self, table: str, rows: Any) -> str:
        self.pushed = rows
        return ""

    def push_outcomes(self, rows: Any) -> str:
        self.outcomes = rows
        return ""


@pytest.fixture
def traffic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Traffic:
    monkeypatch.setenv(SIMULATED, "")  # restored after the test
    product = StubProduct(spec(), tmp_path)
    return Traffic(product, LiveWorld(SIZE, 7, Drift(FIRST + 1)), 7)


def _serve(traffic: Traffic, day: int) -> pd.DataFrame:
    rows, times = traffic.live.day(day), traffic.live.sessions.time
    for time in sorted({*times[rows].tolist()}):
        traffic.serve(rows[times[rows] == time])
    return traffic.shown()


def test_members_are_shown_the_first_and_outcomes_come_late(traffic: Traffic):
    traffic.delay = 7200
    shown = _serve(traffic, FIRST)
    assert len(shown) == len(traffic.live.day(FIRST))
    assert (shown["item"] == traffic.live.sessions.candidates[traffic.live.day(FIRST), 0]).all()
    assert (shown["oracle"] >= shown["ranker"]).all()
    assert (shown["received"] - shown["settled"] == 7200).all()
    noon = int(shown["time"].median())
    traffic.push(noon)
    known = {row["impression_id"] for row in traffic.product.pushed if row["clicked"] is not None}
    assert (
        0 < len(known) == (shown["received"] < noon).sum() < len(traffic.product.pushed) == (shown["time"] < noon).sum()
    )
    assert len(traffic.product.outcomes) == 2 * len(known)  # a click and an engagement, or none of it
    traffic.push(FIRST * DAY + 2 * DAY)
    assert len(traffic.product.outcomes) == 2 * (len(shown) - len(known))
    clicks = [one["value"] for one in traffic.product.outcomes if one["task"] == "click"]
    assert sum(clicks) == shown["clicked"][shown["received"] >= noon].sum()
    assert {row["impression_id"] for row in traffic.product.pushed if row["clicked"] is None} == set()


def test_each_night_exports_what_arrived(traffic: Traffic):
    traffic.export(FIRST * DAY)
    history = pd.read_parquet(traffic.product.raw / "impressions")
    shown = _serve(traffic, FIRST)
    traffic.export((FIRST + 1) * DAY + 7200)
    tables = pd.read_parquet(traffic.product.raw / "impressions"), pd.read_parquet(traffic.product.raw / "oracle")
    live = tables[0][tables[0]["impression_id"] >= tables[0]["impression_id"].max() - len(shown) + 1]
    new = tables[0][~tables[0]["impression_id"].isin(history["impression_id"])]
    assert new["impression_id"].is_unique
    assert len(new) > len(live)  # the history's last outcomes came after its last day
    assert live.sort_values("impression_id")["clicked"].tolist() == shown["clicked"].tolist()
    assert set(tables[1]["impression_id"]) == set(tables[0]["impression_id"])


def test_the_new_taste_has_its_own_app(traffic: Traffic):
    assert (_serve(traffic, FIRST)["app"] != NEW_APP).all()
    assert (_serve(traffic, FIRST + 1)["app"] == NEW_APP).sum() == len(traffic.live.day(FIRST + 1))


def test_faults_begin_and_end(traffic: Traffic):
    by_name = {fault.name: fault.day for fault in FAULTS}
    assert set_faults(traffic, by_name["column_gone"]) == "column_gone"
    assert "channel_kind" not in traffic.instance(traffic.live.day(FIRST)[0])["context"]
    assert set_faults(traffic, by_name["column_gone"] + 1) == ""
    assert "channel_kind" in traffic.instance(traffic.live.day(FIRST)[0])["context"]
    set_faults(traffic, by_name["surface_gone"])
    assert set(_serve(traffic, FIRST)["surface"]) == {0}
    set_faults(traffic, by_name["labels_missing"])
    assert traffic.delay > 0
    set_faults(traffic, by_name["fewer_clicks"] + 1)
    assert (traffic.delay, traffic.live.mood < 0) == (0, True)


def test_a_capped_first_candidate_is_an_error(traffic: Traffic, monkeypatch: pytest.MonkeyPatch):
    slate = {"model_version": "1", "fallback": False, "slate": [{"item": 1, "capped": True}]}
    monkeypatch.setattr(traffic, "product", SimpleNamespace(rank=lambda rows: [slate] * len(rows), set_clock=id))
    with pytest.raises(RuntimeError, match="found a capped one"):
        traffic.serve(traffic.live.day(FIRST)[:1])
