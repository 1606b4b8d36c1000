"""What a local run shows on the terminal, and what goes to the log."""

from pathlib import Path

import pytest

from components.step import LINE_PREFIX
from pipelines.console import Console


def test_steps_speak_and_the_rest_goes_to_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "run.log"
    with Console(log) as console:
        print(f"    {LINE_PREFIX}train: started")
        print("\x1b[35mnoise\x1b[0m of a library")
        print("Executing task 'train'")
        print("half a line", end="")
        print(" and its rest")
        print("Task 'train' finished with status FAILURE")
        print("Executing task 'report'")
        print("all is written")
    assert capsys.readouterr().out == "train: started\n"
    kept = log.read_text(encoding="utf-8")
    assert "noise of a library" in kept
    assert "train: started" in kept
    assert console.failed == ["half a line and its rest"]


def test_progress_is_thinned_but_its_end_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Console(tmp_path / "run.log"):
        for percent in (1, 2, 3, 100):
            print(f"epoch 1: {percent}%|###| {percent}/100")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("%")[0] for line in lines] == ["  epoch 1: 1", "  epoch 1: 100"]


def test_streams_come_back_after_an_error(tmp_path: Path) -> None:
    import sys

    before = sys.stdout
    with pytest.raises(ValueError, match="boom"), Console(tmp_path / "run.log"):
        raise ValueError("boom")
    assert sys.stdout is before
