"""The context manager of every component."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.markdown import table
from components.services import Services
from components.step import Step
from models.spec import Spec, SpecError, parse_spec
from monitoring.errors import LedgerError
from monitoring.ledger import Ledger
from pipelines.console import Console
from tests.components.specs import artifact
from tests.mlflow_database import add_database


@pytest.fixture
def services(tmp_path: Path, without_state: dict[str, str]) -> dict[str, str]:
    add_database(tmp_path / "state")
    return without_state


@pytest.fixture
def without_state(tmp_path: Path) -> dict[str, str]:
    return Services.embedded("run-1", tmp_path / "state", tmp_path / "feature_store.yaml").to_json()


def read(services: dict[str, str], folder: Path) -> Any:
    return Ledger(services["tracking_uri"], "run-1", experiment="professional").read(folder)


def test_a_step_is_printed_and_kept(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Step("train", artifact(tiny_spec, tmp_path), services) as step:
        assert step.spec == tiny_spec
        step.ledger.note("seen", {"rows": 3})
    assert "| train: started" in capsys.readouterr().out
    record = read(services, tmp_path / "read")
    assert [(s.name, s.status) for s in record.steps] == [("train", "ok")]
    assert record.notes["seen"] == {"rows": 3}
    assert parse_spec(json.dumps(record.notes["spec"])) == tiny_spec


def test_a_failure_is_printed_kept_and_raised(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="boom"), Step("train", artifact(tiny_spec, tmp_path), services):
        raise ValueError("boom")
    assert "train: FAILED" in capsys.readouterr().out
    (failed,) = read(services, tmp_path / "read").steps
    assert failed.status == "failed"
    assert "boom" in failed.error


@pytest.mark.parametrize(
    ("error", "message", "surprised"),
    [
        (OSError(28, "No space left on device", "/d/x"), "/d/x: expected room to write; found: No space left", False),
        (LedgerError("no response"), "LedgerError: no response", False),
        (KeyError("x"), "KeyError: 'x'", True),
    ],
)
def test_a_trace_is_shown_of_surprises_alone(
    tiny_spec: Spec,
    services: dict[str, str],
    error: Exception,
    message: str,
    surprised: bool,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    with pytest.raises(type(error)), Step("train", artifact(tiny_spec, tmp_path), services):
        raise error
    out = capsys.readouterr().out
    assert message in out
    with Console(tmp_path / "run.log") as console:
        print(out)
    assert (console.explained, console.unexpected) == (True, surprised)


def test_a_spec_that_cannot_be_read_stops_before_anything(without_state: dict[str, str], tmp_path: Path) -> None:
    content = json.dumps({"name": "x"}).encode()
    file = tmp_path / f"{hashlib.sha256(content).hexdigest()}.json"
    file.write_bytes(content)
    given = dsl.Artifact(uri=str(file))
    with pytest.raises(SpecError, match="source: expected this key"), Step("train", given, without_state):
        pass
    assert not (tmp_path / "state").exists()


def test_a_spec_that_is_not_what_its_name_says_stops_before_anything(
    tiny_spec: Spec, without_state: dict[str, str], tmp_path: Path
) -> None:
    given = artifact(tiny_spec, tmp_path)
    Path(given.path).write_text(tiny_spec.model_copy(update={"name": "other"}).model_dump_json(), encoding="utf-8")
    with (
        pytest.raises(SpecError, match=r"expected content of the SHA-256 '[0-9a-f]{64}'"),
        Step("a", given, without_state),
    ):
        pass
    Path(given.path).unlink()
    with pytest.raises(SpecError, match="expected a spec; found FileNotFoundError"), Step("a", given, without_state):
        pass
    assert not (tmp_path / "state").exists()


def test_a_table_of_nothing_is_a_header() -> None:
    assert table(("view", "rows"), []) == "| view | rows |\n|---|---|"
    assert table(("view", "rows"), [("a|b", 1000)]).endswith("| a\\|b | 1,000 |")
