"""The train component on several devices; CPUs take the place of GPUs."""

from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.services import Services
from components.train import train
from models.graph.fakes import fake_graph
from models.spec import Spec
from models.training.artifact import load_model
from models.training.errors import ProcessError
from models.training.launch import CPU_PROCESSES
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.mlflow_database import add_database


@pytest.fixture
def given(tiny_spec: Spec, tmp_path: Path) -> dict[str, Any]:
    add_database(tmp_path / "state")
    fake_graph(members=20, items=24).save(tmp_path / "graph")
    spec = tiny_spec.model_copy(update={"training": tiny_spec.training.__class__(epochs=2, batch_size=64)})
    return {
        "spec": artifact(spec, tmp_path),
        "services": Services.embedded("run-1", tmp_path / "state", Path("/feature_store.yaml")).to_json(),
        "graph": dsl.Dataset(name="graph", uri=str(tmp_path / "graph")),
        "model": dsl.Model(name="model", uri=str(tmp_path / "pod" / "model")),
        "metrics": dsl.Metrics(name="metrics", uri=str(tmp_path / "pod" / "metrics")),
    }


def test_the_ledger_has_the_curves_of_a_training_in_two_processes(
    given: dict[str, Any], tiny_spec: Spec, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CPU_PROCESSES, "2")
    points, series = list[int](), Ledger.series

    def counted(ledger: Ledger, values: Any, epoch: int) -> None:
        points.append(epoch)
        series(ledger, values, epoch)

    monkeypatch.setattr(Ledger, "series", counted)
    train.python_func(**given)
    assert points == [1, 2]
    assert "2 processes on cpu" in capfd.readouterr().out
    assert load_model(Path(given["model"].path)).training["epochs"] == given["model"].metadata["epochs"]
    assert Ledger(given["services"]["tracking_uri"], "run-1", tiny_spec.name).has_curves()


def test_gpus_that_the_pod_does_not_have_are_refused(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ProcessError, match="accelerator_count: expected at most 1, the GPUs that this step sees"):
        train.python_func(**given, gpus="2")
    assert not Path(given["model"].path).exists()
