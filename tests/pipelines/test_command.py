"""Bad input to the command gives one clear error, and nothing is written."""

import re
from pathlib import Path
from typing import Any

import pytest

from models import storage
from pipelines import __main__ as command
from pipelines.__main__ import main
from pipelines.catalogue import PIPELINES
from pipelines.data import data_address
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]

ROOT = Path(__file__).resolve().parent.parent.parent
PROFESSIONAL = (ROOT / "configs" / "professional.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("primary: true", "primry: true", "unknown key 'primry'"),
        ("adapter: professional", "adapter: profesional", "profesional"),
        ("label: clicked", "label: clickt", "found 'clickt'"),
        ("timezone: UTC", "timezone: Mars", "found 'Mars'"),
    ],
)
def test_a_bad_spec_is_one_clear_error(
    old: str, new: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in PROFESSIONAL
    spec = tmp_path / "bad.yaml"
    spec.write_text(PROFESSIONAL.replace(old, new, 1), encoding="utf-8")
    state = tmp_path / "state"
    assert main(["local", "--spec", str(spec), "--state", str(state)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert len(error.strip().splitlines()) == 1
    assert not state.exists()


def test_a_missing_data_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(tmp_path / "nowhere"), "--state", str(tmp_path / "state")]
    assert main(["local", "--spec", str(ROOT / "configs" / "professional.yaml"), *arguments]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_the_state_of_an_older_release_is_refused_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "feast").mkdir()
    (tmp_path / "feast" / "applied.json").write_text("{}", encoding="utf-8")
    for given in (["local"], ["schedule", "--save-only", "--cron", "0 3 * * *"]):
        where = ["--spec", str(ROOT / "configs" / "professional.yaml"), "--state", str(tmp_path)]
        assert main([*given, *where]) == 1
        error = capsys.readouterr().err
        assert "found one of release 0.1 or 0.2, which is not read" in error
        assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["feast"]


def test_data_is_a_folder_or_an_address(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write_bytes(storage.join(bucket, "raw", "likes", "1.parquet"), b"")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    assert data_address(f"{bucket}/raw") == f"{bucket}/raw"
    assert data_address("raw") == data_address(f"file://{tmp_path}/raw") == str(tmp_path / "raw")
    assert data_address(None) == ""


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("{bucket}/none", "found nothing at s3://tests-.*/none. Check the address"),
        ("{bucket}-other/raw", "found nothing at s3://tests-.*-other/raw"),
        ("s3://key:secret@bucket/raw", "--data: s3://.*without credentials"),
        ("ftp://host/raw", "--data: ftp://host/raw: expected a path or s3://"),
        (
            "/nowhere",
            r"--data: expected a folder with the raw data, or its address \(s3://.*found no folder at /nowhere",
        ),
    ],
)
def test_data_that_is_not_there_is_refused_before_anything_begins(
    bucket: str, address: str, found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", address.format(bucket=bucket), "--state", str(tmp_path / "state")]
    assert main(["local", "--spec", str(ROOT / "configs" / "professional.yaml"), *given]) == 1
    error = capsys.readouterr().err
    assert re.search(found, error)
    assert len(error.splitlines()) == 1
    assert "secret" not in error
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("percent", ["100", "-1", "10.5", "some"])
def test_a_share_that_is_none_is_refused_before_anything_begins(
    percent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["local", f"--canary-percent={percent}", "--state", str(tmp_path / "state")])
    assert f"expected a whole number, 0 to 99; found '{percent}'" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("pipeline", "more", "parameters"),
    [
        ("training", [], {"canary_percent": 10}),
        ("training", ["--ignore-freeze"], {"canary_percent": 10, "ignore_freeze": True}),
        ("refresh", [], {}),
        ("act", [], {}),
        ("act", ["--for-real"], {"mode": "on"}),
        ("act", ["--dry-run"], {"mode": "dry_run"}),
    ],
)
def test_options_reach_the_pipeline_that_has_them(
    pipeline: str, more: list[str], parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    monkeypatch.setattr(command, "run_local", lambda *arguments: given.extend(arguments))
    assert main(["local", "--pipeline", pipeline, "--canary-percent", "10", *more]) == 0
    assert given[-1] == parameters


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipeline_that_only_looks_has_a_feature_store_of_its_own(
    pipeline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr("pipelines.local.compile_pipeline", lambda _, path, *__: path)
    monkeypatch.setattr("pipelines.local._run", lambda compiled, values, *_: given.append(values))
    spec = str(ROOT / "configs" / "professional.yaml")
    assert main(["local", "--pipeline", pipeline, "--spec", spec, "--state", str(tmp_path / "state")]) == 0
    assert given[0]["services"]["scratch"] is (pipeline in ("monitoring", "comparison"))


@pytest.mark.parametrize("option", ["--state", "--data"])
@pytest.mark.parametrize("name", ["{{$}}", "{{$.pipeline_job_uuid}}", "a\nb"])
def test_a_path_that_kfp_would_replace_is_refused(
    option: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).mkdir()
    assert main(["local", "--state", str(tmp_path / "state"), option, str(tmp_path / name)]) == 1
    assert f"error: {option}: expected a text " in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
    assert not list((tmp_path / name).iterdir())
