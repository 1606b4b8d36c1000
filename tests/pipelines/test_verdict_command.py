"""``python -m pipelines verdict`` prints the newest verdict and returns its state's exit status."""

import json
from pathlib import Path

import pytest

from monitoring.verdict import EXIT_CODES, State
from monitoring.verdicts import write_verdict
from pipelines.__main__ import main
from tests.monitoring.verdicts import verdict


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_an_exit_status(state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_verdict(str(tmp_path), "small", verdict(state))
    assert main(["verdict", "--state", str(tmp_path)]) == EXIT_CODES[state]
    assert capsys.readouterr().out.startswith(f"small: {state.value}")
    assert main(["verdict", "--storage", str(tmp_path), "--product", "small", "--json"]) == EXIT_CODES[state]
    assert json.loads(capsys.readouterr().out)["state"] == state.value


def test_a_product_without_a_verdict_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict", "--state", str(tmp_path)]) == 1
    assert "found none" in capsys.readouterr().err
    assert main(["verdict", "--state", str(tmp_path), "--product", "small"]) == 1
    assert "small: expected a verdict" in capsys.readouterr().err
    for product in ("small", "other"):
        write_verdict(str(tmp_path), product, verdict(State.HEALTHY))
    assert main(["verdict", "--state", str(tmp_path)]) == 1
    assert "found other, small" in capsys.readouterr().err


def test_a_data_fault_that_is_wanted_is_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_verdict(str(tmp_path), "small", verdict(State.DATA_FAULT))
    command = ["verdict", "--state", str(tmp_path), "--accept", "features.null", "--reason", "it has ended"]
    assert main([*command, "--by", "Ada", "--subject", "hour"]) == 1
    assert "expected a subject of the verdict, click; found 'hour'" in capsys.readouterr().err
    for who in (["--by", "Ada", "--subject", "click"], []):  # again, it is Ada's
        assert main([*command, *who]) == EXIT_CODES[State.HEALTHY]
        printed = capsys.readouterr().out
        assert printed.startswith("small: healthy")
        assert "accepted: features.null click since 2026-01-07: it has ended (Ada, " in printed
    assert main(["verdict", "--state", str(tmp_path), "--accept", "features.shift", "--reason", "so"]) == 1
    assert "features.shift: expected a data fault" in capsys.readouterr().err
    assert main(command[:-2]) == 1
    assert main(["verdict", "--state", str(tmp_path), "--reason", "so"]) == 1
    assert "expected them with --accept" in capsys.readouterr().err
