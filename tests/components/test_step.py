"""What every component does around its one call."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.markdown import table
from components.services import Services
from components.step import Step
from models.spec import Spec, SpecError
from monitoring.ledger import Ledger


@pytest.fixture
def services(tmp_path: Path) -> dict[str, str]:
    return Services.embedded("run-1", tmp_path / "state", tmp_path / "feature_store.yaml").to_json()


def read(services: dict[str, str], folder: Path) -> Any:
    return Ledger(services["tracking_uri"], "run-1", experiment="professional").read(folder)


def test_a_step_is_said_and_kept(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Step("train", tiny_spec.model_dump_json(by_alias=True), services) as step:
        assert step.spec == tiny_spec
        step.ledger.note("seen", {"rows": 3})
    assert "| train: started" in capsys.readouterr().out
    record = read(services, tmp_path / "read")
    assert [(s.name, s.status) for s in record.steps] == [("train", "ok")]
    assert record.notes["seen"] == {"rows": 3}


def test_a_failure_is_said_kept_and_raised(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="boom"), Step("train", tiny_spec.model_dump_json(by_alias=True), services):
        raise ValueError("boom")
    assert "train: FAILED" in capsys.readouterr().out
    (failed,) = read(services, tmp_path / "read").steps
    assert failed.status == "failed"
    assert "boom" in failed.error


def test_a_spec_that_cannot_be_read_stops_before_anything(services: dict[str, str], tmp_path: Path) -> None:
    with (
        pytest.raises(SpecError, match="source: expected this key"),
        Step("train", json.dumps({"name": "x"}), services),
    ):
        pass
    assert not (tmp_path / "state").exists()


def test_a_table_of_nothing_is_a_header() -> None:
    assert table(("view", "rows"), []) == "| view | rows |\n|---|---|"
    assert table(("view", "rows"), [("a|b", 1000)]).endswith("| a\\|b | 1,000 |")
