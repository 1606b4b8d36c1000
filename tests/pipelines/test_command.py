"""Bad input to the command gives one clear error, and nothing is written."""

from pathlib import Path

import pytest

from pipelines import __main__ as command
from pipelines.__main__ import main

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


@pytest.mark.parametrize("percent", ["100", "-1", "10.5", "some"])
def test_a_share_that_is_none_is_refused_before_anything_begins(
    percent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["local", f"--canary-percent={percent}", "--state", str(tmp_path / "state")])
    assert f"expected a whole number, 0 to 99; found '{percent}'" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("pipeline", "parameters"), [("training", {"canary_percent": 10}), ("refresh", {})])
def test_a_share_reaches_the_training_pipeline_alone(
    pipeline: str, parameters: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    monkeypatch.setattr(command, "run_local", lambda *arguments: given.extend(arguments))
    assert main(["local", "--pipeline", pipeline, "--canary-percent", "10"]) == 0
    assert given[-1] == parameters


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
