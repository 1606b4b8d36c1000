"""The monitor of the loop, on a served log and outcomes by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pytest

from benchmarks.loop.monitor import Monitor
from benchmarks.loop.product import LoopProduct, spec
from feature_repo.sources.world.draw import DAY
from models import outcome_parts
from models.clock import SIMULATED
from models.outcome_parts import Outcome
from monitoring.judged_days import read_summary
from monitoring.verdicts import newest_verdict
from serving.versions.registry import Registry
from tests.monitoring.outcomes.world import line, write_lines


class StubProduct(LoopProduct):
    """One version serves; tables are where the test writes them."""

    def roles(self) -> dict[str, str]:
        return {"champion": "4"}

    def tables(self) -> Path:
        return self.folder


class StubRegistry(Registry):
    """Has the version that serves."""

    def __init__(self) -> None:
        super().__init__("")

    def versions(self, name: str) -> list[str]:
        return ["4"]

    def download(self, name: str, version: str, folder: Path, digest: str = "") -> Path:
        assert version == "4"
        return folder


class StubProfile(NamedTuple):
    """A profile from which every column is as far as there are rows."""

    columns: SimpleNamespace
    digest: str = ""

    def profile(self, rows: pa.Table, names: list[str]) -> tuple[pa.Table, list[str]]:
        return rows, names

    def figures(self) -> dict[str, Any]:
        return {}

    def compare(self, given: tuple[pa.Table, list[str]]) -> dict[str, SimpleNamespace]:
        rows, names = given
        return {name: SimpleNamespace(to_json=lambda: {"psi": len(rows)}) for name in names}


def test_a_slates_first_has_a_label_and_the_others_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SIMULATED, "")  # restored after the test
    product = StubProduct(spec(), tmp_path)
    served = product.microseconds(9 * 3600)
    shared = {"surface": "email", "model": "heliograph-professional", "probabilities": {"click": 0.25, "engage": 0.1}}
    slate = "5f0c9b1e-6f0f-4f5c-9d9e-1c1f6a4f8b11/0"
    rows = [line(f"{slate}/{rank}", served, item=rank, features={}, **shared) for rank in range(3)]
    (product.state / "endpoint").mkdir(parents=True)
    write_lines(product.state / "endpoint" / "served", rows)
    time = pd.DatetimeIndex([served * 1000], tz="UTC").as_unit("us")
    shown = {"impression_id": [5], "member_id": [1], "notification_id": [0], "surface": ["email"], "time": time}
    pd.DataFrame({**shown, "clicked": [1], "engaged": [0]}).to_parquet(tmp_path / "impressions.parquet")
    outcomes = [
        Outcome(f"{slate}/0", task, value, served + 60, served + 60) for task, value in (("click", 1), ("engage", 0))
    ]
    outcome_parts.push(outcome_parts.address_of(str(product.state), "professional"), outcomes)
    product.set_clock(DAY + 5 * 3600)
    product.registry = StubRegistry()
    profiles = StubProfile(SimpleNamespace(columns={"channel_kind": {}, "gone": {}}))
    monkeypatch.setattr("monitoring.profiles.version.read_profile", lambda _: profiles)
    verdict = Monitor(product).judge()
    assert (verdict.day, verdict.versions) == (product.date(0), {"champion": "4"})
    assert newest_verdict(str(product.state), "professional") == verdict
    summary = read_summary(str(product.state), "professional", product.date(0))
    assert (summary.rows, summary.profile["version"]) == (3, "4")
    assert summary.profile["columns"] == {"channel_kind": {"psi": 3}}
    assert summary.labels["click"]["all"]["settled"] == summary.labels["click"]["all"]["positives"] == 1
