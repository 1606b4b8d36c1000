"""What a run of the monitors says: the verdict, and the drift of what was served, never silently of something else."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.spec.nodes import Node
from models.time_units import DAY
from monitoring.documents import write_frame
from monitoring.verdict import State, Verdict
from monitoring.verdicts import newest_verdict
from monitoring.watch import Log, Watched, watch
from tests.monitoring.fakes import fake_predictions
from tests.monitoring.served_days import FEATURES, FIRST, SPEC, FakeLog, joined, noon


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training set and evaluation."""
    folder, generator = tmp_path_factory.mktemp("folders"), np.random.default_rng(0)
    rows = pd.DataFrame({name: generator.normal(size=900) for name in FEATURES})
    rows["kind"] = generator.choice(["a", "b"], 900)
    rows["surface"] = generator.choice(SPEC.impressions.surfaces, 900)
    rows["window"] = ["train"] * 600 + ["test"] * 300
    write_frame(folder / "set" / "impressions.parquet", rows)
    write_frame(folder / "evaluation" / "predictions.parquet", fake_predictions(SPEC, rows=300))
    return folder / "set", folder / "evaluation"


@pytest.fixture
def run(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Watch at noon of a day, without Evidently."""
    monkeypatch.setattr("monitoring.drift._evidently", lambda *_: None)

    def watched(days: dict[int, pa.Table], day: int, storage: Path | None = None) -> Watched:
        log = Log(FakeLog(days).join, FIRST.date() if days else None)
        given = ("", None) if storage is None else (str(storage), {"champion": "1"})
        return watch(SPEC, log, *folders, tmp_path / "drift.html", noon(day), *given)

    return watched


def test_with_nothing_served_the_product_is_watched_and_the_test_window_named(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = run({}, 5, tmp_path / "storage")
    assert (found.drift["current"], found.drift["rows"]) == ("test window", {"reference": 600, "current": 300})
    assert found.drift["why"] == "Nothing served is compared: 0 rows, 50 are needed."
    assert (found.served["rows"], found.traffic["labelled"]) == (0, 300)
    assert (found.judged.verdict.state, found.metrics()["state"]) == (State.WATCH, 10)
    page = found.to_markdown()
    assert page.index("small: watch (log.not_served)") < page.index("test window")
    assert found.drift["why"] in page
    json.dumps(found.to_json(), allow_nan=False)


def test_what_was_served_is_compared_settled_or_not(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    moved = joined(5).set_column(joined(5).column_names.index("hour"), "hour", pa.array(np.full(200, 50.0)))
    found = run({3: joined(3), 5: moved}, 5)
    assert (found.drift["current"], found.drift["why"]) == ("endpoint", "")
    assert "hour" in found.drift["drifted"]
    assert found.served["rows"] == 400
    assert found.served["slates"] == 80
    assert found.served["predicted"] == pytest.approx(0.25, abs=0.03)
    assert found.judged is None
    assert found.report() == {}
    assert "state" not in found.metrics()


def test_features_of_nodes_are_compared_as_of_what_was_served(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.drift._evidently", lambda *_: None)
    (key,) = {SPEC.nodes[SPEC.impressions.item.node].key}
    document = {"key": key, "views": {"content": {"table": "items", "features": {"title": "text", "age": "number"}}}}
    spec = SPEC.model_copy(update={"nodes": {**SPEC.nodes, SPEC.impressions.item.node: Node.model_validate(document)}})
    rows = pq.read_table(folders[0] / "impressions.parquet")
    rows = rows.append_column("title", pa.array(["red", "blue shoes"] * 450)).append_column(
        "age", pa.array([1.0] * 900)
    )
    pq.write_table(rows, tmp_path / "impressions.parquet")
    asked = []

    def retrieve(keys: Mapping[str, np.ndarray], times: np.ndarray) -> dict[str, pa.ChunkedArray]:
        asked.append((set(keys), len(times), times.min() >= noon(3) - DAY))
        count = len(times)
        return {"title": pa.chunked_array([["green hats"] * count]), "age": pa.chunked_array([[1.0] * count])}

    def drifted(days: dict[int, pa.Table], **parts: object) -> set[str]:
        log = Log(FakeLog(days).join, FIRST.date() if days else None, **parts)  # type: ignore[arg-type]
        found = watch(spec, log, tmp_path, folders[1], tmp_path / "drift.html", noon(3)).drift
        return {name for name in found["drifted"] if name.startswith(("title", "age"))} | {
            f"compared {name}" for name in found["columns"] if name == "age"
        }

    served = {3: joined(3)}
    assert drifted(served, retrieve=retrieve) == {"title (length)", "title (words)", "compared age"}
    assert asked == [({spec.nodes[role.node].key for _, role in spec.node_columns()}, 200, True)]
    assert drifted({}) == {"compared age"}  # the test window, whose features the training set has
    assert drifted(served) == set()  # nothing reads them


@pytest.mark.parametrize(("rows", "current"), [(49, "test window"), (50, "endpoint")])
def test_fewer_than_fifty_rows_are_reported_but_not_compared(run, rows: int, current: str) -> None:  # type: ignore[no-untyped-def]
    found = run({4: joined(4, rows)}, 5)
    assert (found.drift["current"], found.served["rows"]) == (current, rows)


def test_fallbacks_and_slates_of_another_spec_are_not_compared(run) -> None:  # type: ignore[no-untyped-def]
    table = joined(4)
    fallback = table.set_column(table.column_names.index("fallback"), "fallback", pa.array(np.ones(200, dtype=bool)))
    nothing = pa.nulls(200, pa.float64())
    other = table.set_column(table.column_names.index("probability_click"), "probability_click", nothing)
    assert run({4: fallback}, 5).drift["current"] == "test window"
    assert run({4: fallback}, 5).served["rows"] == 200
    assert run({4: other}, 5).served["rows"] == 0


def test_the_report_is_what_the_page_shows(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = run({day: joined(day) for day in range(6)}, 5, tmp_path)
    report = json.loads(json.dumps(found.report(), allow_nan=False))
    assert set(report) == {"verdict", "alarms", "days", "outcomes", "columns", "next"}
    assert Verdict.from_json(report["verdict"]) == found.judged.verdict == newest_verdict(str(tmp_path), SPEC.name)
    assert [day["day"] for day in report["days"]] == ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"]
    assert report["outcomes"]["torn"] == 0
    assert report["outcomes"]["pending"] == found.served["pending"] == 2  # of the days that have not settled
    assert found.to_json()["verdict"]["day"] == "2026-01-08"
    assert found.verdict_lines()[0].startswith("small: watch (log.few_days)")
