"""``python -m models.training``: what it refuses before any work."""

from pathlib import Path

import pytest

from models.training.__main__ import main


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--training", '{"precision": "bf16"}', "training.precision: expected float32 or bfloat16; found 'bf16'"),
        ("--training", '{"batch_size": 0}', "training.batch_size: expected a whole number, 1 to 100000; found 0"),
        ("--training", '{"accumulate": "two"}', "training.accumulate: expected a whole number, 1 to"),
        ("--model", '{"width": 30, "heads": 4}', "model.width: expected a multiple of model.heads"),
        ("--model", '{"heads": 0}', "model.heads: expected a whole number, 1 to 100000; found 0"),
        ("--model", '{"depth": 2}', "expected keys out of"),
        ("--model", "nothing.json", "expected JSON"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(
    tmp_path: Path, option: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--graph", str(tmp_path), "--out", str(tmp_path / "model"), option, text]) == 1
    assert message in capsys.readouterr().err


def test_a_list_is_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "training.json"
    settings.write_text("[1]", encoding="utf-8")
    assert main(["--graph", str(tmp_path), "--out", str(tmp_path / "model"), "--training", str(settings)]) == 1
    assert "expected a JSON object" in capsys.readouterr().err
