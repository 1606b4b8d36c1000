"""A training as a TrainJob: an API server and a controller of the tests' own take the place of the cluster."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kserve import KServeClient

from components import train_job_run
from components.pod_log import PodLog
from components.train_job import QUEUE_LABEL, TRAIN_JOBS, Nodes, TrainJobError, manifest
from components.train_job_run import TrainJob, state_of
from models.storage import join, write_bytes
from models.training.errors import DivergedError
from models.training.files import write_json
from models.training.job import Job
from models.training.node import ERROR, SUMMARY
from serving.deployment.kubernetes_objects import Objects
from tests.models.training.small import small_graph
from tests.standins.api_server import ApiServer, api_server
from tests.standins.manifests import access
from tests.standins.train_jobs import train_job_faults

NODES = Nodes(
    runtime="heliograph-torch",
    nodes=2,
    image="registry/python-train:1",
    secret="heliograph",
    cpu=8,
    memory="64Gi",
    scratch="50G",
    accelerators=4,
    shared_memory="8Gi",
    queue="gpus",
    node_selector={"pool": "h100"},
    tolerations=[{"key": "gpu", "operator": "Exists"}],
)
NAME, NAMESPACE = "train-0a1b", "heliograph"
Change = Callable[[str, dict[str, Any], bool], None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    (tmp_path / "api").mkdir()
    with api_server(tmp_path / "api") as found:
        found.load(access("base"))
        yield found


@pytest.fixture
def one(server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainJob:
    """A TrainJob with the rights of the ServiceAccount that runs the training pipeline; its folder is local."""
    monkeypatch.setattr(train_job_run, "POLL_SECONDS", 0.02)
    client = KServeClient(config_dict=server.kubeconfig(server.token_for(NAMESPACE, "heliograph-deploy")))
    objects = Objects(client, TRAIN_JOBS, NAMESPACE)
    return TrainJob(NAME, NODES, str(tmp_path / "jobs" / NAME), objects, PodLog(client, NAMESPACE, NAME))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    small_graph().save(tmp_path / "graph")
    return Job(tmp_path / "graph", tmp_path / "out" / "model", checkpoint="s3://bucket/kept")


def says(kind: str, reason: str = "", message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": message}]}


def controller(server: ApiServer, *steps: Callable[[], None]) -> None:
    """Do these things, one after the other, when a TrainJob is created."""

    def run() -> None:
        for step in steps:
            step()

    def changed(plural: str, document: dict[str, Any], deleted: bool) -> None:
        if plural == "trainjobs" and not deleted:
            threading.Thread(target=run, daemon=True).start()

    server.on_change = changed


def status(server: ApiServer, **given: Any) -> Callable[[], None]:
    return lambda: server.set_status("trainjobs", NAMESPACE, NAME, given)


def trains(one: TrainJob) -> Callable[[], None]:
    """What the nodes leave in the folder."""

    def run() -> None:
        model = Path(one.address) / "model"
        model.mkdir()
        write_json(model / "manifest.json", {"made": "there"})
        write_bytes(join(one.address, SUMMARY), b'{"epochs": 2, "history": [{"train_loss": 0.5}, {"train_loss": 0.4}]}')

    return run


def pod(server: ApiServer, name: str, log: str, at: str = "2026-11-30T10:00:00Z") -> Callable[[], None]:
    labels = {
        "jobset.sigs.k8s.io/jobset-name": NAME,
        "jobset.sigs.k8s.io/replicatedjob-name": "node",
        "batch.kubernetes.io/job-completion-index": "0",
    }

    def run() -> None:
        server.logs[NAMESPACE, name] = log
        meta = {"name": name, "namespace": NAMESPACE, "labels": labels}
        server.load([{"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}}])

    return run


def removed(server: ApiServer, plural: str, name: str) -> Callable[[], None]:
    def run() -> None:
        server.delete((plural, NAMESPACE, name))

    return run


def created(server: ApiServer) -> int:
    return sum(method == "POST" for method, path, _ in server.requests if "trainjobs" in path)


def deleted(server: ApiServer) -> bool:
    return server.get("trainjobs", NAMESPACE, NAME) is None


def test_the_manifest_says_what_every_node_has() -> None:
    found = manifest(NAME, NODES, NAMESPACE, "s3://bucket/jobs/x")
    assert train_job_faults(found) == []
    assert found["metadata"]["labels"] == {QUEUE_LABEL: "gpus"}
    spec = found["spec"]
    assert spec["runtimeRef"] == {"name": "heliograph-torch"}
    trainer = spec["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"], trainer["image"]) == (2, 4, "registry/python-train:1")
    assert trainer["command"][-4:] == ["-m", "models.training.node", "s3://bucket/jobs/x", "cuda"]
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "8000m", "memory": "64Gi", "nvidia.com/gpu": "4"}
    assert all(entry["valueFrom"]["secretKeyRef"]["name"] == "heliograph" for entry in trainer["env"])
    (patch,) = spec["runtimePatches"]
    (node,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    spec = node["template"]["spec"]["template"]["spec"]
    assert (spec["nodeSelector"], spec["tolerations"]) == (NODES.node_selector, NODES.tolerations)
    assert spec["securityContext"] == {"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": True}
    assert [entry["mountPath"] for entry in spec["containers"][0]["volumeMounts"]] == ["/tmp", "/dev/shm"]
    on_cpus = manifest(NAME, replace(NODES, accelerators=0, queue="", shared_memory=None), NAMESPACE, "s3://b/j")
    assert on_cpus["spec"]["trainer"]["numProcPerNode"] == 1
    assert on_cpus["spec"]["trainer"]["command"][-1] == "cpu"
    assert "nvidia.com/gpu" not in on_cpus["spec"]["trainer"]["resourcesPerNode"]["limits"]


def test_a_misspelt_field_would_be_found() -> None:
    found = manifest(NAME, NODES, NAMESPACE, "s3://bucket/jobs/x")
    found["spec"]["trainer"]["numNode"] = found["spec"]["trainer"].pop("numNodes")
    assert train_job_faults(found) == ['unknown field ".spec.trainer.numNode"']


def test_what_is_no_parameter_of_submit_is_refused() -> None:
    with pytest.raises(TrainJobError, match=r"trainer: expected the keys accelerator, .*--trainer-runtime"):
        Nodes.of({"runtime": "x"})
    assert Nodes.of({**vars(NODES), "nodes": 2.0, "accelerators": 4.0}) == NODES


def test_it_is_waited_for_through_suspension_and_a_new_pod(
    server: ApiServer, one: TrainJob, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Kueue does: suspended, admitted, pre-empted, admitted again. The log of each pod is printed once."""
    told = threading.Event()

    def wait_for_reading() -> None:
        told.clear()
        told.wait(10)

    class Log(PodLog):
        def relay(self) -> None:
            super().relay()
            told.set()

    one.log = Log(one.objects.client, NAMESPACE, NAME)
    controller(
        server,
        status(server, **says("Suspended", "Suspended", "TrainJob is suspended")),
        wait_for_reading,
        wait_for_reading,
        status(server, conditions=[]),
        pod(server, "pod-a", "2026-11-30T10:00:00.1Z epoch 1\n2026-11-30T10:00:00.12Z epoch 2\n"),
        wait_for_reading,
        wait_for_reading,
        status(server, **says("Suspended")),
        removed(server, "pods", "pod-a"),
        pod(server, "pod-b", "2026-11-30T11:00:00Z continues\n"),
        wait_for_reading,
        wait_for_reading,
        trains(one),
        status(server, **says("Complete", "JobsCompleted")),
    )
    assert one.run(job)["epochs"] == 2
    assert (job.out / "manifest.json").is_file()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("|")] == ["epoch 1", "epoch 2", "continues"]
    assert "|   TrainJob train-0a1b: Suspended, waits in the queue gpus (Suspended TrainJob is suspended)" in lines
    assert [line.split()[3].strip(",") for line in lines if line.startswith("|")][-4:-2] == ["Suspended", "Running"]
    assert deleted(server)
    assert not Path(one.address).exists()


def test_a_failed_one_is_an_error_and_is_replaced_by_the_next_attempt(
    server: ApiServer, one: TrainJob, job: Job
) -> None:
    controller(server, status(server, **says("Failed", "JobsFailed", "backoff limit")))
    with pytest.raises(TrainJobError, match=r"found that it failed: JobsFailed backoff limit.*describe trainjob"):
        one.run(job)
    assert not deleted(server), "one can look at it"
    controller(server, trains(one), status(server, **says("Complete")))
    one.run(job)
    assert created(server) == 2


def test_the_next_attempt_of_the_step_finds_the_one_that_trains(
    server: ApiServer, one: TrainJob, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    one._send(job)
    one.objects.create(manifest(NAME, NODES, NAMESPACE, one.address))
    steps = iter([trains(one), status(server, **says("Complete"))])

    class Log(PodLog):
        def relay(self) -> None:
            next(steps, lambda: None)()

    one.log = Log(one.objects.client, NAMESPACE, NAME)
    one.run(job)
    assert created(server) == 1
    assert "found, of an earlier attempt" in capsys.readouterr().out


def test_an_error_of_the_job_itself_ends_it(server: ApiServer, one: TrainJob, job: Job) -> None:
    told = b'{"kind": "DivergedError", "message": "the loss is NaN", "system": false, "time": 1}'
    controller(server, lambda: write_bytes(join(one.address, ERROR), told))
    with pytest.raises(DivergedError, match="the loss is NaN"):
        one.run(job)
    assert deleted(server)
    assert not Path(one.address).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_step_that_is_cancelled_deletes_it(number: int, server: ApiServer, one: TrainJob, job: Job) -> None:
    before = signal.getsignal(signal.SIGTERM)
    controller(server, lambda: os.kill(os.getpid(), number))
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        one.run(job)
    assert deleted(server)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_step_is_cancelled_where_the_exception_of_the_signal_is_lost(
    server: ApiServer, one: TrainJob, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> None:
        with suppress(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(one.log, "relay", lost)
    with pytest.raises(SystemExit):
        one.run(job)
    assert deleted(server)


def test_one_that_is_deleted_or_leaves_nothing_is_an_error(server: ApiServer, one: TrainJob, job: Job) -> None:
    controller(server, removed(server, "trainjobs", NAME))
    with pytest.raises(TrainJobError, match="found it deleted: run the step again"):
        one.run(job)
    controller(server, status(server, **says("Complete")))
    with pytest.raises(TrainJobError, match=r"summary\.json when it is complete; found none: does the runtime"):
        one.run(job)


def test_the_state_is_that_of_the_conditions() -> None:
    job = {"spec": {}, "status": {"conditions": [{"type": "Suspended", "status": "False", "reason": "Resumed"}]}}
    assert state_of(job) == ("Running", "")
    assert state_of({"spec": {"suspend": True}}) == ("Suspended", "")
    assert state_of({"spec": {"suspend": True}, "status": says("Complete", "Done", "all")}) == ("Complete", "Done all")
