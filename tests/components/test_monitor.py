"""The component monitor on a served log: its verdict and pages, and nothing that serves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kfp import dsl

from components.monitor import monitor
from components.services import Services
from models.clock import now
from models.files import write_text
from models.time_units import DAY
from monitoring.documents import write_frame
from monitoring.verdict import State
from monitoring.verdicts import newest_verdict
from tests.components.specs import artifact
from tests.mlflow_database import add_database
from tests.monitoring.fakes import fake_predictions
from tests.monitoring.served_days import FEATURES, SPEC
from tests.serving.world import CONFIG


def slate(time: int, number: int) -> str:
    """The lines of a slate of five candidates."""
    request = f"00000000-0000-4000-8000-{number:012}"
    whole = {"served": time, "request": request, "slate": 0, "time": time, "as_of": time, "member": number % 40}
    whole |= {"member_cold": False, "surface": "feed", "model": "heliograph-small", "model_version": "1"}
    whole |= {"fallback": False, "stale": []}
    lines = [
        {
            **whole,
            **{"rank": rank, "impression": f"{request}/0/{rank}", "item": rank, "cold": False, "capped": False},
            **{"score": 0.2, "propensity": None, "adjustments": [], "probabilities": {"click": 0.2, "like": 0.1}},
            "features": {**dict.fromkeys(FEATURES, 0.1 * rank), "kind": "a"},
        }
        for rank in range(5)
    ]
    return "\n".join(map(json.dumps, lines))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the component in a pipeline; returns its Markdown page."""
    monkeypatch.setattr("monitoring.drift._evidently", lambda *_: None)
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({name: generator.normal(size=200) for name in FEATURES})
    rows["kind"], rows["surface"], rows["window"] = "a", "feed", ["train"] * 100 + ["test"] * 100
    write_frame(tmp_path / "set" / "impressions.parquet", rows)
    write_frame(tmp_path / "evaluation" / "predictions.parquet", fake_predictions(SPEC, rows=200))
    write_frame(tmp_path / "tables" / "impressions.parquet", shown())
    add_database(tmp_path / "state")

    def component(pipeline: str) -> str:
        folders = {"tables": "tables", "training_set": "set", "evaluation": "evaluation"}
        monitor.python_func(
            spec=artifact(SPEC, tmp_path),
            services=Services.embedded("run-1", tmp_path / "state", CONFIG, True, pipeline).to_json(),
            **{name: dsl.Dataset(name=name, uri=str(tmp_path / path)) for name, path in folders.items()},
            page=dsl.HTML(name="page", uri=str(tmp_path / "out" / "page")),
            metrics=dsl.Metrics(name="metrics", uri=str(tmp_path / "out" / "metrics")),
            summary=dsl.Markdown(name="summary", uri=str(tmp_path / "out" / "summary")),
        )
        return (tmp_path / "out" / "summary").read_text(encoding="utf-8")

    return component


def shown() -> pd.DataFrame:
    """An adapter's table of impressions, long before anything was served."""
    whole = {"impression_id": [1], "member": [1], "item": [1], "surface": ["feed"], "clicked": [0], "liked": [0]}
    time = pd.to_datetime(["2026-01-01"], utc=True)
    return pd.DataFrame({**whole, "time": time, "settled_time": time})


def test_a_new_product_is_watched_and_other_pipelines_judge_nothing(run: Any, tmp_path: Path) -> None:
    assert "Nothing served is compared: 0 rows" in run("training")
    assert not (tmp_path / "state" / "monitoring").exists()
    assert "small: watch (log.not_served)" in run("monitoring")
    verdict = newest_verdict(str(tmp_path / "state"), SPEC.name)
    assert verdict is not None
    assert verdict.state == State.WATCH


def test_what_was_served_is_joined_judged_and_shown(run: Any, tmp_path: Path) -> None:
    begin = now() - 3 * DAY
    for day in range(3):
        time = begin + day * DAY
        lines = "\n".join(slate(time + number * 1000, 100 * day + number) for number in range(30))
        name = pd.Timestamp(time, unit="us").date().isoformat()
        write_text(tmp_path / "state" / "endpoint" / "served" / f"{name}.jsonl", lines + "\n")
    page = run("monitoring")
    assert "of the endpoint against training" in page
    folder = tmp_path / "state" / "monitoring" / SPEC.name
    assert {path.name for path in folder.iterdir()} == {
        "days", "verdicts", "report.json", "monitoring.html", "metrics.prom", "drift.html",
    }  # fmt: skip
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["days"][0]["rows"] == 150
    assert report["verdict"]["state"] == "watch"
    assert report["verdict"]["day"] == pd.Timestamp(now() - 2 * DAY, unit="us").date().isoformat()
    assert "heliograph_verdict_state" in (folder / "metrics.prom").read_text(encoding="utf-8")
    assert report["verdict"]["cause"] in (tmp_path / "out" / "page").read_text(encoding="utf-8")
