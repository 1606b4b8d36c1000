import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.time_units import DAY
from monitoring.documents import write_frame
from monitoring.watch import watch
from tests.monitoring.fakes import fake_predictions, small_spec

SPEC = small_spec()
FEATURES = ("member_total_exposures", "member_total_click_rate", "member_total_like_rate", "hour")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Training set, evaluation and an empty served log."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({name: generator.normal(size=900) for name in FEATURES})
    rows["kind"] = generator.choice(["a", "b"], 900)
    rows["surface"] = generator.choice(SPEC.impressions.surfaces, 900)
    rows["window"] = ["train"] * 600 + ["test"] * 300
    write_frame(tmp_path / "set" / "impressions.parquet", rows)
    write_frame(tmp_path / "evaluation" / "predictions.parquet", fake_predictions(SPEC, rows=300))
    (tmp_path / "served").mkdir()
    return tmp_path / "set", tmp_path / "evaluation", tmp_path / "served"


MOMENT = 1_767_744_000_000_000


def slate(number: int, size: int = 10, **changed: Any) -> str:
    """One slate of the served log, a line an impression, in which the hour has moved far."""
    return "\n".join(json.dumps(impression(number, rank) | changed) for rank in range(size))


def impression(number: int, rank: int) -> dict[str, object]:
    return {
        **{"served": MOMENT + number, "request": str(number), "slate": 0, "time": MOMENT},
        **{"member": number, "member_cold": False, "surface": "feed"},
        **{"model": "heliograph-small", "model_version": "1"},
        **{"rank": rank, "item": rank, "cold": False, "capped": False, "score": 0.2},
        "probabilities": {"click": 0.2, "like": 0.1},
        "features": {**dict.fromkeys(FEATURES[:3], 0.1 * rank), "hour": 50.0 + rank, "kind": "a"},
    }


def test_without_a_served_log_the_test_window_is_compared(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    seen = watch(SPEC, *folders, tmp_path / "pages" / "drift")
    assert seen.drift["current"] == "test window"
    assert seen.drift["rows"] == {"reference": 600, "current": 300}
    assert seen.traffic["labelled"] == 300
    assert seen.served["rows"] == 0
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["drift"]
    json.dumps(seen.to_json(), allow_nan=False)
    assert seen.metrics()["calibration_ratio"] == pytest.approx(seen.traffic["ratio"])
    assert "test window" in seen.to_markdown()


def test_what_the_endpoint_served_is_compared_once_there_is_enough(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    (folders[2] / "2026-01-07.jsonl").write_text("\n".join(slate(number) for number in range(10)), encoding="utf-8")
    seen = watch(SPEC, *folders, tmp_path / "drift.html", now=MOMENT + DAY)
    assert seen.drift["current"] == "endpoint"
    assert "hour" in seen.drift["drifted"]
    assert seen.served["slates"] == 10
    assert seen.served["predicted"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "heliograph-another"},
        {"model": None},
        {"probabilities": {"open": 0.2}},
        {"served": MOMENT - 30 * DAY},
        {"served": MOMENT + 400 * DAY},
    ],
    ids=["another product", "a release that logged no name", "another task", "long ago", "a clock that was ahead"],
)
def test_what_is_not_ours_or_long_ago_is_not_looked_at(
    folders: tuple[Path, Path, Path], tmp_path: Path, changed: dict[str, Any]
) -> None:
    lines = [slate(number, **changed) for number in range(10)]
    (folders[2] / "2026-01-07.jsonl").write_text("\n".join(lines), encoding="utf-8")
    seen = watch(SPEC, *folders, tmp_path / "drift.html", now=MOMENT + DAY)
    assert seen.drift["current"] == "test window"
    assert seen.served["rows"] == 0
    assert "served_rows" in seen.metrics()


def test_a_served_log_of_fewer_than_fifty_candidates_is_reported_but_not_compared(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    lines = [*(slate(number) for number in range(4)), slate(4, size=9)]
    (folders[2] / "2026-01-07.jsonl").write_text("\n".join(lines), encoding="utf-8")
    seen = watch(SPEC, *folders, tmp_path / "drift.html", now=MOMENT + DAY)
    assert (seen.drift["current"], seen.served["rows"]) == ("test window", 49)
    (folders[2] / "2026-01-07.jsonl").write_text("\n".join([*lines, slate(5, size=1)]), encoding="utf-8")
    assert watch(SPEC, *folders, tmp_path / "drift.html", now=MOMENT + DAY).drift["current"] == "endpoint"


def test_no_folder_of_a_served_log_is_no_error(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    seen = watch(SPEC, folders[0], folders[1], tmp_path / "none", tmp_path / "drift.html")
    assert seen.served["slates"] == 0
