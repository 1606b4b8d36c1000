"""The ledger of a pipeline run: steps, metrics, notes and artifacts, kept in MLflow so that pods share them by address.

A pipeline run is one MLflow run in the experiment named after the product. A step is a tag, written when the step
starts and again when it ends: a step without an end was interrupted (killed with its process).
"""

import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from models import clock
from models.addresses import sqlite_file
from models.system import system_error
from monitoring.documents import plain
from monitoring.errors import LedgerError
from monitoring.record import LedgerRecord, Step

RUN_TAG, PIPELINE_TAG = "heliograph.run", "heliograph.pipeline"
STEP, NOTE, CURVE = "step.", "note.", "curves/"
LONGEST_ERROR, _SHORT = 500, 200
LONGEST_TAG = 7_500
"""In characters; MLflow cuts a tag at 8000."""
NOTES, IN_FILE = "notes/", "kept in"
_NAME = re.compile(r"^[A-Za-z0-9_. /-]{1,200}$")
Result = TypeVar("Result")


class Ledger:
    """The ledger of one pipeline run. Any number of processes may open it; steps run one after another."""

    def __init__(self, tracking_uri: str, run: str, experiment: str = "heliograph", pipeline: str = "") -> None:
        """Open the ledger of ``run``, a run of ``pipeline``; create it if it does not exist. Raises LedgerError."""
        self.tracking_uri, self.run, self.experiment = tracking_uri, _name("run", run), experiment
        self.pipeline = pipeline
        self._client = client_of(tracking_uri)
        self._active: set[str] = set()
        experiment_id = self._call(lambda: self._experiment())
        self._run_id = self._call(lambda: self._found_or_created(experiment_id))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record a step: its start, duration, status and, if it fails, the first line of the error.

        The error is raised again. A step of the same name that did not succeed is replaced and counted as an attempt;
        if it succeeded, this one is named ``<name> 2`` and so on (a pipeline may run a step twice).
        """
        step = self._started(_name("step", name))
        self._write_step(step)
        self._active.add(step.name)
        began = time.monotonic()
        try:
            yield
        except BaseException as error:
            failed = step.ended("failed", time.monotonic() - began, first_line(error))
            try:
                self._write_step(failed)
            except LedgerError as unwritten:
                error.add_note(f"The ledger could not record this failure: {unwritten}")
            raise
        finally:
            self._active.discard(step.name)
        self._write_step(step.ended("ok", time.monotonic() - began))

    def _started(self, name: str) -> Step:
        """The step at its start."""
        tags = self._tags()
        free, number = name, 1
        while STEP + free in tags:
            previous = Step.from_json(free, json.loads(tags[STEP + free]))
            if previous.status != "ok":
                return Step(free, "running", clock.now(), attempts=previous.attempts + 1)
            number += 1
            free = f"{name} {number}"
        return Step(free, "running", clock.now())

    def metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        """Log metrics by name; None is left out."""
        from mlflow.entities import Metric

        now = clock.now() // 1000
        batch = [
            Metric(_name("metric", key), float(value), now, step) for key, value in values.items() if value is not None
        ]
        for start in range(0, len(batch), 1000):
            part = batch[start : start + 1000]
            self._call(lambda part=part: self._client.log_batch(self._run_id, metrics=part))  # type: ignore[misc]

    def series(self, values: Mapping[str, float | None], step: int) -> None:
        """Log one point of each training curve."""
        self.metrics({CURVE + key: value for key, value in values.items()}, step)

    def note(self, key: str, value: Any) -> None:
        """Keep a value that JSON can hold; a long one is kept in a file."""
        text = json.dumps(plain(value), allow_nan=False)
        _name("note", key)
        if len(text) <= LONGEST_TAG:
            self._tag(NOTE + key, text)
            return
        self._call(lambda: self._client.log_text(self._run_id, text, f"{NOTES}{key}.json"))
        self._tag(NOTE + key, json.dumps({IN_FILE: f"{NOTES}{key}.json"}))

    def has(self, key: str) -> bool:
        """Whether there is a note of that name."""
        return NOTE + key in self._tags()

    def has_curves(self) -> bool:
        """Whether there is a point of any training curve."""
        return any(key.startswith(CURVE) for key in self._call(lambda: self._client.get_run(self._run_id)).data.metrics)

    def artifact(self, path: Path, name: str) -> None:
        """Keep a copy of the file or folder at ``path`` as ``name`` (``/`` separates folders). Raises LedgerError."""
        _name("artifact", name)
        if not path.exists():
            raise LedgerError(f"artifact {name!r}: expected a file or folder at {path}; found nothing")
        if path.is_dir():
            self._call(lambda: self._client.log_artifacts(self._run_id, str(path), name))
            return
        folder, _, file = name.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / file
            shutil.copyfile(path, copy)
            self._call(lambda: self._client.log_artifact(self._run_id, str(copy), folder or None))

    def address(self, name: str) -> str:
        """Where a person finds an artifact: its page in MLflow; without a server, MLflow's ``runs:/`` address."""
        if not self.tracking_uri.startswith(("http://", "https://")):
            return f"runs:/{self._run_id}/{name}"
        experiment = self._call(lambda: self._client.get_run(self._run_id)).info.experiment_id
        server = re.sub("//[^/@]*@", "//", self.tracking_uri.rstrip("/"))
        return f"{server}/#/experiments/{experiment}/runs/{self._run_id}/artifacts/{name}"

    def close(self, state: str | None = None) -> None:
        """End the MLflow run: FINISHED if all steps succeeded and KFP's final ``state`` is a success, else FAILED."""
        failed = state is not None and state.upper() not in ("SUCCEEDED", "SUCCESS", "FINISHED", "SKIPPED")
        failed = failed or any(step.status in ("failed", "interrupted") for step in self._steps(self._tags()))
        self._call(lambda: self._client.set_terminated(self._run_id, "FAILED" if failed else "FINISHED"))

    def read(self, download_to: Path) -> LedgerRecord:
        """Read everything in the ledger; copy the artifacts to ``download_to``.

        To be called when the run is over: a step that is running, but not in THIS object, counts as interrupted.
        """
        run = self._call(lambda: self._client.get_run(self._run_id))
        curves = {key.removeprefix(CURVE): self._curve(key) for key in run.data.metrics if key.startswith(CURVE)}
        download_to.mkdir(parents=True, exist_ok=True)
        self._call(lambda: self._client.download_artifacts(self._run_id, "", str(download_to)))
        files = {
            path.relative_to(download_to).as_posix(): path for path in sorted(download_to.rglob("*")) if path.is_file()
        }
        tags = run.data.tags
        return LedgerRecord(
            run=self.run,
            experiment=self.experiment,
            tracking_uri=self.tracking_uri,
            mlflow_run=self._run_id,
            started=run.info.start_time * 1000,
            steps=self._steps(tags),
            metrics={key: value for key, value in run.data.metrics.items() if not key.startswith(CURVE)},
            curves=curves,
            notes={key.removeprefix(NOTE): _noted(value, files) for key, value in tags.items() if key.startswith(NOTE)},
            artifacts={name: path for name, path in files.items() if not name.startswith(NOTES)},
        )

    def _curve(self, key: str) -> list[tuple[int, float]]:
        """(step, value) in order; only the last value of a step that was logged again after a resumed training."""
        history = self._call(lambda: self._client.get_metric_history(self._run_id, key))
        return sorted({point.step: point.value for point in sorted(history, key=lambda point: point.timestamp)}.items())

    def _steps(self, tags: dict[str, str]) -> list[Step]:
        found = [
            Step.from_json(key.removeprefix(STEP), json.loads(value))
            for key, value in tags.items()
            if key.startswith(STEP)
        ]
        found = [
            step if step.status != "running" or step.name in self._active else step.interrupted() for step in found
        ]
        return sorted(found, key=lambda step: (step.started, step.name))

    def _tags(self) -> dict[str, str]:
        return self._call(lambda: self._client.get_run(self._run_id)).data.tags

    def _tag(self, key: str, value: str) -> None:
        self._call(lambda: self._client.set_tag(self._run_id, key, value))

    def _write_step(self, step: Step) -> None:
        self._tag(STEP + step.name, json.dumps(step.to_json()))

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            return found.experiment_id
        try:
            return self._client.create_experiment(self.experiment, artifact_location=_artifacts(self.tracking_uri))
        except Exception:
            # another process may have created it between the two calls
            found = self._client.get_experiment_by_name(self.experiment)
            if found is None:
                raise
            return found.experiment_id

    def _found_or_created(self, experiment_id: str) -> str:
        """The oldest MLflow run with our tag, so that two processes that both create one agree afterwards."""

        def oldest() -> str | None:
            found = self._client.search_runs(
                [experiment_id],
                f"tags.`{RUN_TAG}` = '{self.run}'",
                order_by=["attributes.start_time ASC"],
                max_results=10,
            )
            return min(found, key=lambda run: (run.info.start_time, run.info.run_id)).info.run_id if found else None

        known = oldest()
        if known is None:
            tags = {RUN_TAG: self.run, **({PIPELINE_TAG: self.pipeline} if self.pipeline else {})}
            created = self._client.create_run(experiment_id, tags=tags, run_name=self.run).info.run_id
            known = oldest() or created
            if known != created:
                self._client.delete_run(created)
        return known

    def _call(self, call: Callable[[], Result]) -> Result:
        """Make a call to MLflow; raise LedgerError for any error."""
        try:
            return call()
        except LedgerError:
            raise
        except Exception as error:
            raise LedgerError(
                f"ledger of run {self.run!r}: expected MLflow at {self.tracking_uri} to respond; found "
                f"{first_line(error)[:_SHORT]}. Check the address and that the server is up"
            ) from error


def first_line(error: BaseException) -> str:
    """Type and first line of an error's message, errors of the system as ``system_error`` puts them; 500 characters."""
    lines = (system_error(error) or str(error)).strip().splitlines()
    return (f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)[:LONGEST_ERROR]


def client_of(tracking_uri: str) -> Any:
    """MLflow's client for an address; creates a local database's folder. Raises LedgerError."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    # with MLflow's default, a step waits more than four minutes for a server that does not respond
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow import MlflowClient

    database = sqlite_file(tracking_uri)
    try:
        if database:
            database.parent.mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri)
    except Exception as error:
        raise LedgerError(
            f"ledger: expected a tracking address such as http://host:port or sqlite:////folder/mlflow.db; found "
            f"{tracking_uri!r} ({first_line(error)})"
        ) from error


def _artifacts(tracking_uri: str) -> str | None:
    """Where to keep artifacts: next to a local database; None = the server decides."""
    database = sqlite_file(tracking_uri)
    return (database.parent / "artifacts").as_uri() if database else None


def _noted(tag: str, files: dict[str, Path]) -> Any:
    """The value of a note, from its tag or the file that the tag names."""
    value = json.loads(tag)
    if isinstance(value, dict) and list(value) == [IN_FILE]:
        return json.loads(files[value[IN_FILE]].read_text(encoding="utf-8"))
    return value


def _name(what: str, name: str) -> str:
    if not _NAME.match(name) or ".." in name or name.startswith("/"):
        raise LedgerError(f"{what}: expected letters, digits, space and _ . / -, 200 at most; found {name!r}")
    return name
