"""The train component on several devices and as a TrainJob; CPUs take the place of GPUs."""

import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from kserve import KServeClient

from components.services import Services
from components.train import train
from models.graph.fakes import fake_graph
from models.spec import Spec
from models.storage import join, names
from models.training.artifact import load_model
from models.training.errors import ProcessError
from models.training.launch import CPU_PROCESSES
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.components.test_train_job import NAMESPACE, NODES, says
from tests.mlflow_database import add_database
from tests.models.training.test_distributed import ROOT
from tests.s3_server import bucket, s3_server
from tests.standins.api_server import api_server
from tests.standins.manifests import access

__all__ = ["bucket", "s3_server"]


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
        "digest": str(tmp_path / "pod" / "digest"),
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


def test_a_train_job_trains_from_object_storage_and_the_ledger_has_its_curves(
    given: dict[str, Any], tiny_spec: Spec, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The controller runs the TrainJob's own command, without torchrun: one node, one process."""
    given["services"] |= {"storage": bucket, "target": "cluster"}
    (tmp_path / "api").mkdir()
    with api_server(tmp_path / "api") as server:
        server.load(access("base"))
        client = KServeClient(config_dict=server.kubeconfig(server.token_for(NAMESPACE, "heliograph-deploy")))
        monkeypatch.setattr("components.train_job_run.open_client", lambda: client)
        monkeypatch.setattr("components.train_job_run.POLL_SECONDS", 0.1)

        def run(job: dict[str, Any]) -> None:
            command = job["spec"]["trainer"]["command"]
            assert command[:4] == ["python", "-m", "torch.distributed.run", "-m"]
            done = subprocess.run([sys.executable, "-m", *command[4:]], cwd=ROOT, check=False)
            state = says("Failed" if done.returncode else "Complete")
            server.set_status("trainjobs", NAMESPACE, job["metadata"]["name"], state)

        def changed(plural: str, job: dict[str, Any], deleted: bool) -> None:
            if plural == "trainjobs" and not deleted:
                threading.Thread(target=run, args=(job,), daemon=True).start()

        server.on_change = changed
        nodes = replace(NODES, nodes=1, accelerators=0, namespace=NAMESPACE)
        train.python_func(**given, trainer=asdict(nodes))
        assert server.list("trainjobs") == []
    assert load_model(Path(given["model"].path)).training["epochs"] == given["model"].metadata["epochs"]
    assert Ledger(given["services"]["tracking_uri"], "run-1", tiny_spec.name).has_curves()
    assert names(join(bucket, "jobs", tiny_spec.name)) == []
