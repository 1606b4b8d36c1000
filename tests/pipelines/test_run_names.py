"""A run that its parameters do not name is named by the environment, the same in every step and the exit handler."""

import os
from pathlib import Path

import pytest

from components.services import RUN, Services, ServicesError
from models.addresses import sqlite_address
from models.spec import Spec
from monitoring.runs import read_runs
from pipelines import local
from pipelines.errors import RunError

SERVICES = {"tracking_uri": "http://mlflow", "feature_store": "f", "storage": "s"}


def test_the_parameter_names_the_run_or_the_environment_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN, "id")
    assert Services.of({"run": "20260301-030000", **SERVICES}).run == "20260301-030000"
    assert Services.of({"run": "", **SERVICES}).run == "id"
    assert Services.of({"run": "", **SERVICES}).tracking_uri == "http://mlflow"


@pytest.mark.parametrize("value", [None, ""])
def test_a_run_without_a_name_is_refused(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUN, raising=False)
    if value is not None:
        monkeypatch.setenv(RUN, value)
    with pytest.raises(ServicesError, match="expected KFP's id of the run in the environment variable HELIOGRAPH_RUN"):
        Services.of({"run": "", **SERVICES})


def test_steps_and_exit_handler_of_a_run_write_one_ledger(
    tiny_spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step of this pipeline fails, since there is no champion; the exit handler runs nevertheless."""
    monkeypatch.setattr(local, "_new_run", lambda state: "")
    monkeypatch.setenv(RUN, "7c1d-of-kfp")
    for name in ("HELIOGRAPH_RUNNER", "PYTHONPATH", "PYTHONUNBUFFERED"):  # which the run sets
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    file = tmp_path / "tiny.json"
    file.write_text(tiny_spec.model_dump_json(by_alias=True), encoding="utf-8")
    with pytest.raises(RunError):
        local.run_local("monitoring", file, None, tmp_path / "state")
    (run,) = read_runs(sqlite_address(tmp_path / "state" / "mlflow" / "mlflow.db"))
    assert run.name == "7c1d-of-kfp"
    assert (run.experiment, run.pipeline) == (tiny_spec.name, "monitoring")
    # Once: on this machine KFP's retries would only wait, 40 seconds for this step.
    assert [(step.name, step.status, step.attempts) for step in run.steps] == [("champion", "failed", 1)]
    assert run.ended is not None
    assert not run.succeeded
    assert (tmp_path / "state" / "runs" / run.name / "report" / "index.html").is_file()
