"""A TrainJob whose step loses MLflow, the Kubernetes API or object storage for a while."""

from pathlib import Path
from typing import Any

import pytest

from components import train_job_run
from components.train_job_run import TrainJob
from models.storage import exists, join, write_bytes
from models.training.errors import DivergedError
from models.training.job import Job
from models.training.node import ERROR
from serving.deployment.errors import DeploymentError
from serving.deployment.kubernetes_objects import Objects
from tests.components.test_train_job import (
    NAME,
    controller,
    created,
    deleted,
    job,
    one,
    removed,
    says,
    server,
    status,
    trains,
)
from tests.standins.api_server import ApiServer

__all__ = ["job", "one", "server"]


def test_curves_that_are_not_written_cost_no_training(
    server: ApiServer, one: TrainJob, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next attempt fetches the model, also where the TrainJob itself is gone."""

    def fails(*_: Any) -> None:
        raise ConnectionError("MLflow is away")

    controller(server, trains(one), status(server, **says("Complete")))
    with pytest.raises(ConnectionError):
        one.run(job, fails)
    gone = removed(server, "trainjobs", NAME)
    gone()
    controller(server, gone)  # a second one would end the step
    curves: list[tuple[dict[str, float], int]] = []
    assert one.run(job, lambda *point: curves.append(point))["epochs"] == 2
    assert curves == [({"train_loss": 0.5}, 1), ({"train_loss": 0.4}, 2)]
    assert created(server) == 1
    assert "an earlier attempt of this step has trained the model" in capsys.readouterr().out
    assert not Path(one.address).exists()


def storage_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times, where the error of the job is looked for."""
    failures = iter(range(5))

    def fails(address: str) -> bool:
        if address.endswith(ERROR) and next(failures, None) is not None:
            raise ConnectionError("no connection to the object storage")
        return exists(address)

    monkeypatch.setattr(train_job_run, "exists", fails)


def test_a_storage_that_is_away_for_a_while_hides_no_error_of_the_job(
    server: ApiServer, one: TrainJob, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage_fails(monkeypatch)
    told = b'{"kind": "DivergedError", "message": "the loss is NaN", "system": false, "time": 1}'
    controller(server, lambda: write_bytes(join(one.address, ERROR), told))
    with pytest.raises(DivergedError, match="the loss is NaN"):
        one.run(job)


def test_a_storage_that_stays_away_ends_the_step_but_not_the_training(
    server: ApiServer, one: TrainJob, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage_fails(monkeypatch)
    monkeypatch.setattr(train_job_run, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(ConnectionError, match="no connection"):
        one.run(job)
    assert not deleted(server)


def fails_after_creation(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    find, failures = Objects.find, iter(range(5))

    def fails(objects: Objects, name: str) -> Any:
        if created(server) and next(failures, None) is not None:
            raise DeploymentError("cluster: expected a response")
        return find(objects, name)

    monkeypatch.setattr(Objects, "find", fails)


def test_an_api_that_is_away_for_a_while_does_not_end_the_step(
    server: ApiServer, one: TrainJob, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_after_creation(server, monkeypatch)
    controller(server, trains(one), status(server, **says("Complete")))
    assert one.run(job)["epochs"] == 2


def test_an_api_that_stays_away_ends_the_step_but_not_the_training(
    server: ApiServer, one: TrainJob, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_after_creation(server, monkeypatch)
    monkeypatch.setattr(train_job_run, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(DeploymentError, match="expected a response"):
        one.run(job)
    assert not deleted(server)
