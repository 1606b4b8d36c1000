"""``python -m models.training``: what it refuses before any work."""

import runpy
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.configs.errors import ConfigError
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.training import __main__ as command
from models.training.__main__ import main, read
from models.training.distributed import Ranks
from models.training.job import Job


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


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A fit that logs two epochs; returns what it was given."""
    given: list[dict[str, Any]] = []

    def fit(graph: Any, model: Any, training: Any, out: Path, device: Any, log: Any, checkpoint: Any) -> dict[str, Any]:
        given.append({"model": model, "out": out, "device": device, "log": log, "checkpoint": checkpoint})
        for epoch in (1, 2):
            if log:
                log({"train_loss": 0.25 / epoch, "auc": 1.0}, epoch)
        return {"epochs": 2, "seconds": 12.6}

    monkeypatch.setattr(command, "fit", fit)
    monkeypatch.setattr(command.TemporalGraph, "load", lambda folder: SimpleNamespace(seeds=range(1234)))
    return given


def test_the_process_that_leads_prints_the_epochs_and_what_is_next(
    fits: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--graph", "g", "--out", "m", "--model", ' {"width": 8}', "--device", "cpu"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 process(es) on cpu, 1,234 seeds",
        "epoch 1: train_loss 0.25, auc 1",
        "epoch 2: train_loss 0.125, auc 1",
        "2 epochs in 13 s: m",
        "Next: models.training.predict scores seeds with it, models.training.embed writes its vectors",
    ]
    assert (fits[0]["out"], fits[0]["device"], fits[0]["checkpoint"]) == (Path("m"), torch.device("cpu"), None)
    assert fits[0]["model"] == ModelConfig(width=8)


def test_the_other_processes_print_nothing(
    fits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ranks", lambda: Ranks(1, 2))
    assert main(["--graph", "g", "--out", "m", "--checkpoint", "c", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == ""
    assert (fits[0]["log"], fits[0]["checkpoint"]) == (None, "c")


def test_several_processes_are_started_and_followed(
    fits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[Any] = []

    def launch(job: Job, processes: int, device: str | None, log: Any) -> dict[str, Any]:
        given.extend([job, processes, device])
        log({"train_loss": 0.5}, 1)
        return {"epochs": 1, "seconds": 3.0}

    monkeypatch.setattr(command, "launch", launch)
    options = ["--graph", "g", "--out", "m", "--model", '{"width": 8}', "--checkpoint", "c", "--processes", "2"]
    assert main([*options, "--device", "cpu"]) == 0
    assert given == [Job(Path("g"), Path("m"), ModelConfig(width=8), TrainingConfig(), "c"), 2, "cpu"]
    assert capsys.readouterr().out.splitlines()[:2] == ["epoch 1: train_loss 0.5", "1 epochs in 3 s: m"]
    assert not fits


@pytest.mark.parametrize("missing", ["--graph", "--out"])
def test_graph_and_out_are_needed(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([part for name in ("--graph", "--out") if name != missing for part in (name, "x")])
    assert ended.value.code == 2
    assert f"required: {missing}" in capsys.readouterr().err


def test_an_error_of_the_system_is_one_line_and_any_other_is_raised(
    fits: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error: list[Exception] = [OSError(28, "No space left on device", "m"), RuntimeError("a fault")]

    @contextmanager
    def group(device: str | None) -> Any:
        raise error.pop(0)
        yield

    monkeypatch.setattr(command, "process_group", group)
    assert main(["--graph", "g", "--out", "m"]) == 1
    assert capsys.readouterr().err.startswith("m: expected room to write")
    with pytest.raises(RuntimeError, match="a fault"):
        main(["--graph", "g", "--out", "m"])


def test_what_is_no_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "width.json").write_text('{"width": 16}', encoding="utf-8")
    assert read(str(tmp_path / "width.json"), ModelConfig) == ModelConfig(width=16)
    with pytest.raises(ConfigError, match=r"^ModelConfig: expected JSON; found"):
        read("{", ModelConfig)
    with pytest.raises(ConfigError, match=r"^ModelConfig: expected keys out of family, width, .*; found a, b$"):
        read('{"b": 1, "width": 2, "a": 1}', ModelConfig)


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_the_module_is_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["training", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("models.training", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m models.training")
