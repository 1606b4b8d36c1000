"""The simulated network as a folder that grows by the day."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from feature_repo.sources import professional
from feature_repo.sources.export import main
from models.spec import Spec


@pytest.fixture(scope="module")
def file(tiny_spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "tiny.json"
    path.write_text(tiny_spec.model_dump_json(by_alias=True), encoding="utf-8")
    return path


def sorted_rows(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    plain = frame.map(lambda value: tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value)
    return plain.sort_values(list(columns), ignore_index=True)


def test_all_parts_are_the_world_but_what_settles_after_its_end(tiny_spec: Spec, file: Path, tmp_path: Path) -> None:
    assert main([str(tmp_path), "--spec", str(file)]) == 0
    whole, found = professional.read(tiny_spec, None), professional.read(tiny_spec, tmp_path)
    shown = whole["impressions"]
    late = shown["impression_id"][shown["settled_time"] >= pd.Timestamp("2026-05-01", tz="UTC")]
    assert 0 < len(late) < 20
    for name in ("impressions", "oracle"):
        whole[name] = whole[name][~whole[name]["impression_id"].isin(late)]
    for name, columns in professional.TABLES.items():
        pd.testing.assert_frame_equal(
            sorted_rows(found[name], columns), sorted_rows(whole[name], columns), check_dtype=False
        )


def test_a_folder_grows_and_an_impression_arrives_with_its_outcome(
    tiny_spec: Spec, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--spec", str(file), "--until", "2026-03-10"]) == 0
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    shown = professional.read(tiny_spec, tmp_path)["impressions"]
    end = pd.Timestamp("2026-03-11", tz="UTC")
    assert shown["settled_time"].max() < end
    assert main([str(tmp_path), "--spec", str(file), "--until", "2026-03-11"]) == 0
    assert f"{len(professional.TABLES)} new files" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in first} == first
    later = pd.read_parquet(tmp_path / "impressions" / f"{date(2026, 3, 11)}.parquet")
    assert (later["time"] < end).any(), "rows of the day before that arrive late"
    assert (later["settled_time"] >= end).all()


def test_a_day_outside_of_the_world_is_refused(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--spec", str(file), "--until", "2026-06-01"]) == 1
    assert "--until: expected a day from 2026-03-02 to 2026-04-30" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"adapter": "kuairand"}, "expected professional, the simulated network; found kuairand"),
        ({"adapter": "professional", "options": {"days": "ten"}}, "source.options.days: expected a whole number"),
    ],
)
def test_another_source_is_refused(
    tiny_spec: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: dict, words: str
) -> None:
    document = tiny_spec.model_dump(mode="json", by_alias=True) | {"source": source}
    (tmp_path / "spec.json").write_text(json.dumps(document), encoding="utf-8")
    assert main([str(tmp_path / "raw"), "--spec", str(tmp_path / "spec.json")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "raw").exists()
