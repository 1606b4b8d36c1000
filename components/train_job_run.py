"""Run a training where the pipeline says: on this pod's GPUs, or as a TrainJob, followed until it is complete.

A TrainJob has a folder below ``jobs`` of the storage with its inputs and outputs (``models.training.node``), and the
name of its step and run: a step that is tried again finds the one that still trains.
"""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.pod_log import PodLog
from components.step import Step, say
from components.train_job import TRAIN_JOBS, Nodes, TrainJobError, manifest
from models.storage import download, exists, join, names, read_bytes, remove, upload, write_bytes
from models.training.job import Job, Log
from models.training.launch import run_on_accelerators
from models.training.node import ERROR, JOB, SUMMARY
from models.training.reported import own_error
from serving.deployment.errors import DeploymentError
from serving.deployment.kubernetes_objects import Objects, open_client

POLL_SECONDS = 5.0
PATIENCE_SECONDS = 900.0
"""How long the Kubernetes API or object storage may fail in a row before the step gives up; the TrainJob goes on."""
_GRAPH, _JUDGED, _MODEL, _MANIFEST = "graph", "judged", "model", "manifest.json"
_AGAIN = "run the step again: it goes on at its checkpoint"


def run_training(job: Job, gpus: str, trainer: dict[str, Any], step: Step, log: Log | None = None) -> dict[str, Any]:
    """Run a job; return its summary. ``trainer``: fields of ``Nodes``; empty: on GPUs of this pod.

    Raises the job's own errors, ProcessError, TrainJobError, DeploymentError.
    """
    if not trainer:
        return run_on_accelerators(job, gpus, log)
    nodes, name = Nodes.of(trainer), f"{step.name}-{step.services.run}"
    address = join(step.services.storage, "jobs", step.spec.name, name)
    return TrainJob.of(name, nodes, address).run(job, log)


@dataclass
class TrainJob:
    """One TrainJob and its folder."""

    name: str
    nodes: Nodes
    address: str
    objects: Objects
    log: PodLog
    _said: str = field(default="", init=False)
    _cancelled: int = field(default=0, init=False)
    """The signal that told this process to end; 0 = none."""

    @classmethod
    def of(cls, name: str, nodes: Nodes, address: str) -> "TrainJob":
        """In the namespace of this pod, unless the nodes have another one. Raises DeploymentError."""
        from kserve.utils.utils import get_default_target_namespace

        client = open_client()
        namespace = nodes.namespace or get_default_target_namespace()
        return cls(name, nodes, address, Objects(client, TRAIN_JOBS, namespace), PodLog(client, namespace, name))

    def run(self, job: Job, log: Log | None = None) -> dict[str, Any]:
        """Create it, unless it is there, and wait; write the model to ``job.out`` and return the summary.

        ``log`` has the curves before anything is removed: where it raises, the next attempt finds the model here.
        """
        with self._deleted_when_cancelled():
            if SUMMARY in names(self.address):
                say(f"  TrainJob {self.name}: an earlier attempt of this step has trained the model: it is fetched")
            else:
                if not self._there():
                    self._send(job)
                    self.objects.create(manifest(self.name, self.nodes, self.objects.namespace, self.address))
                    say(f"  TrainJob {self.name}: created, {self.nodes.nodes} node(s)")
                self._wait()
        if SUMMARY not in names(self.address):
            raise TrainJobError(
                f"TrainJob {self.name}: expected {join(self.address, SUMMARY)} when it is complete; found none: does "
                f"the runtime {self.nodes.runtime} run the trainer's command?"
            )
        summary: dict[str, Any] = json.loads(read_bytes(join(self.address, SUMMARY)))
        download(join(self.address, _MODEL), job.out)
        if log is not None:
            for epoch, metrics in enumerate(summary.get("history", []), start=1):
                log(metrics, epoch)
        self.objects.delete(self.name)
        self._remove_folder()
        return summary

    def _remove_folder(self) -> None:
        """Remove it, the summary first: nobody may take the rest for a model. A failure ends no step: prune is left."""
        try:
            remove(join(self.address, SUMMARY))
            remove(self.address)
        except OSError as error:
            say(f"  {self.address}: not removed: {error}")

    def _there(self) -> bool:
        """Whether an earlier attempt of this step has left one that trains or is complete; a failed one is removed."""
        found = self.objects.find(self.name)
        if found is None:
            return False
        state, _ = state_of(found)
        if state == "Failed":
            self.objects.delete(self.name)
            self.objects.find(self.name)  # waits until it is gone
            return False
        say(f"  TrainJob {self.name}: found, of an earlier attempt of this step")
        return True

    def _send(self, job: Job) -> None:
        """Write the job's folder: inputs first, then the job."""
        for name in (SUMMARY, ERROR):
            remove(join(self.address, name))
        inputs = {_GRAPH: job.graph, **({} if job.judged is None else {_JUDGED: job.judged})}
        for name, folder in inputs.items():
            if not exists(join(self.address, name, _MANIFEST)):
                upload(folder, join(self.address, name), last=_MANIFEST)
        judged = None if job.judged is None else Path(_JUDGED)
        remote = replace(job, graph=Path(_GRAPH), out=Path(_MODEL), judged=judged)
        write_bytes(join(self.address, JOB), remote.text().encode())

    def _wait(self) -> None:
        """Wait until it is complete, through suspension and pre-emption. Raises TrainJobError, or the job's error."""
        answered = time.monotonic()
        while True:
            if self._cancelled:
                raise SystemExit(128 + self._cancelled)
            try:
                found = self.objects.find(self.name)
                self.log.relay()
                told = self._told()
                answered = time.monotonic()
            except (DeploymentError, OSError):
                if time.monotonic() - answered > PATIENCE_SECONDS:
                    raise
                time.sleep(POLL_SECONDS)
                continue
            if found is None:
                raise TrainJobError(
                    f"TrainJob {self.name}: expected it until it is complete; found it deleted: {_AGAIN}"
                )
            state, message = state_of(found)
            self._say(state, message)
            if state == "Complete":
                return
            if told is not None:
                self._raise_own_error(told)
            if state == "Failed":
                raise TrainJobError(
                    f"TrainJob {self.name}: expected it to complete; found that it failed: {message or 'no reason'}. "
                    f"See its log and kubectl -n {self.objects.namespace} describe trainjob {self.name}; then {_AGAIN}"
                )
            time.sleep(POLL_SECONDS)

    def _say(self, state: str, message: str) -> None:
        if state != self._said:
            waits = f", waits in the queue {self.nodes.queue}" if state == "Suspended" and self.nodes.queue else ""
            say(f"  TrainJob {self.name}: {state}{waits}{f' ({message})' if message else ''}")
            self._said = state

    def _told(self) -> dict[str, Any] | None:
        """What the job has written down of an error of its own. Raises OSError."""
        address = join(self.address, ERROR)
        found: dict[str, Any] | None = json.loads(read_bytes(address)) if exists(address) else None
        return found

    def _raise_own_error(self, told: dict[str, Any]) -> None:
        """Raise what the job has written down, and end it: Kubernetes would start it again, to the same error."""
        self.objects.delete(self.name)
        self._remove_folder()
        raise own_error(told) or TrainJobError(f"TrainJob {self.name}: {told['kind']}: {told['message']}")

    @contextmanager
    def _deleted_when_cancelled(self) -> Iterator[None]:
        """Delete it when this pod is told to end: the run was terminated, or the step's time is over."""

        def cancel(number: int, _: Any) -> None:
            self._cancelled = number
            raise SystemExit(128 + number)  # lost where it is raised in a callback of a library: ``_wait`` looks, too

        before = {number: signal.signal(number, cancel) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        except SystemExit:
            self.objects.delete(self.name)
            say(f"  TrainJob {self.name}: deleted, since the step was cancelled")
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def state_of(job: dict[str, Any]) -> tuple[str, str]:
    """Complete, Failed, Suspended or Running, and what the controller says of it."""
    conditions = {one["type"]: one for one in job.get("status", {}).get("conditions", [])}
    for state in ("Complete", "Failed", "Suspended"):
        if (found := conditions.get(state, {})).get("status") == "True":
            return state, " ".join(f"{found.get('reason', '')} {found.get('message', '')}".split())[:400]
    if job["spec"].get("suspend"):
        return "Suspended", ""
    return "Running", ""
