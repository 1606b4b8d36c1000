"""The run's ledger: what every step of a pipeline run did, kept in MLflow so that pods share it by address.

One MLflow run for one pipeline run, in the experiment named after the product. A step is a tag that is written when the
step begins and again when it ends: a step with a beginning and no end was interrupted (killed with its process).
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

from models.addresses import sqlite_file
from monitoring.documents import plain
from monitoring.errors import LedgerError
from monitoring.record import LedgerRecord, Step

RUN_TAG = "heliograph.run"
STEP, NOTE, CURVE = "step.", "note.", "curves/"
LONGEST_ERROR = 500
LONGEST_TAG = 7_500
"""Characters; MLflow cuts a tag at 8000."""
NOTES, IN_FILE = "notes/", "kept in"
_NAME = re.compile(r"^[A-Za-z0-9_. /-]{1,200}$")
Answer = TypeVar("Answer")


class Ledger:
    """The ledger of one pipeline run. Any number of processes may open it; steps follow one another."""

    def __init__(self, tracking_uri: str, run: str, experiment: str = "heliograph") -> None:
        """Open the ledger of ``run``, beginning it if this is the first to ask. Raises LedgerError."""
        self.tracking_uri, self.run, self.experiment = tracking_uri, _name("run", run), experiment
        self._client = _client(tracking_uri)
        self._active: set[str] = set()
        experiment_id = self._ask(lambda: self._experiment())
        self._run_id = self._ask(lambda: self._found_or_created(experiment_id))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record a step: its begin, its seconds, whether it ended well, and the first line of the error if not.

        The error itself goes on. An attempt of the same name that did not end well is replaced, and counted; beside one
        that did, the step is named ``<name> 2`` and so on (a pipeline may take a step twice).
        """
        step = self._begun(_name("step", name))
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

    def _begun(self, name: str) -> Step:
        """The step as it begins."""
        tags = self._tags()
        free, number = name, 1
        while STEP + free in tags:
            before = Step.from_json(free, json.loads(tags[STEP + free]))
            if before.status != "ok":
                return Step(free, "running", _now(), attempts=before.attempts + 1)
            number += 1
            free = f"{name} {number}"
        return Step(free, "running", _now())

    def metrics(self, values: Mapping[str, float | None], step: int = 0) -> None:
        """Keep the run's figures by name; a None is left out."""
        from mlflow.entities import Metric

        now = _now() // 1000
        batch = [
            Metric(_name("metric", key), float(value), now, step) for key, value in values.items() if value is not None
        ]
        for start in range(0, len(batch), 1000):
            part = batch[start : start + 1000]
            self._ask(lambda part=part: self._client.log_batch(self._run_id, metrics=part))  # type: ignore[misc]

    def series(self, values: Mapping[str, float | None], step: int) -> None:
        """Keep one point of each training curve."""
        self.metrics({CURVE + key: value for key, value in values.items()}, step)

    def note(self, key: str, value: Any) -> None:
        """Keep a fact, anything that JSON can hold; a long one is kept as a file."""
        text = json.dumps(plain(value), allow_nan=False)
        _name("note", key)
        if len(text) <= LONGEST_TAG:
            self._tag(NOTE + key, text)
            return
        self._ask(lambda: self._client.log_text(self._run_id, text, f"{NOTES}{key}.json"))
        self._tag(NOTE + key, json.dumps({IN_FILE: f"{NOTES}{key}.json"}))

    def has(self, key: str) -> bool:
        """Whether a fact of that name is kept."""
        return NOTE + key in self._tags()

    def artifact(self, path: Path, name: str) -> None:
        """Keep a copy of the file or folder at ``path`` under ``name`` (``/`` makes folders)."""
        _name("artifact", name)
        if not path.exists():
            raise LedgerError(f"artifact {name!r}: expected a file or folder at {path}; found nothing")
        if path.is_dir():
            self._ask(lambda: self._client.log_artifacts(self._run_id, str(path), name))
            return
        folder, _, file = name.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / file
            shutil.copyfile(path, copy)
            self._ask(lambda: self._client.log_artifact(self._run_id, str(copy), folder or None))

    def close(self, state: str | None = None) -> None:
        """Close the MLflow run: FINISHED if all steps ended well and ``state`` (of KFP) is a success, else FAILED."""
        failed = state is not None and state.upper() not in ("SUCCEEDED", "SUCCESS", "FINISHED", "SKIPPED")
        failed = failed or any(step.status in ("failed", "interrupted") for step in self._steps(self._tags()))
        self._ask(lambda: self._client.set_terminated(self._run_id, "FAILED" if failed else "FINISHED"))

    def read(self, download_to: Path) -> LedgerRecord:
        """Everything the ledger holds; artifacts are copied to ``download_to``.

        Read when the run is over: a step that began, has no end and is not open in THIS object counts as interrupted.
        """
        run = self._ask(lambda: self._client.get_run(self._run_id))
        curves = {key.removeprefix(CURVE): self._curve(key) for key in run.data.metrics if key.startswith(CURVE)}
        download_to.mkdir(parents=True, exist_ok=True)
        self._ask(lambda: self._client.download_artifacts(self._run_id, "", str(download_to)))
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
        """(step, value) in order; a step that was recorded again (training went on after a kill) counts once."""
        history = self._ask(lambda: self._client.get_metric_history(self._run_id, key))
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
        return self._ask(lambda: self._client.get_run(self._run_id)).data.tags

    def _tag(self, key: str, value: str) -> None:
        self._ask(lambda: self._client.set_tag(self._run_id, key, value))

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
        """The oldest MLflow run with our tag: two processes that both create one agree on it afterwards."""

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
            created = self._client.create_run(experiment_id, tags={RUN_TAG: self.run}, run_name=self.run).info.run_id
            known = oldest() or created
            if known != created:
                self._client.delete_run(created)
        return known

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """Make a call to MLflow; whatever it raises becomes a LedgerError."""
        try:
            return call()
        except LedgerError:
            raise
        except Exception as error:
            raise LedgerError(
                f"ledger of run {self.run!r}: expected MLflow at {self.tracking_uri} to answer; found "
                f"{type(error).__name__}: {first_line(error)}. Check the address and that the server is up"
            ) from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none; at most 500 characters."""
    lines = str(error).strip().splitlines()
    return (f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)[:LONGEST_ERROR]


def _client(tracking_uri: str) -> Any:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    # MLflow's own default keeps a step waiting for more than four minutes where no server answers
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
    """Where artifacts lie: beside the database if it is a local file, else where the server says."""
    database = sqlite_file(tracking_uri)
    return (database.parent / "artifacts").as_uri() if database else None


def _noted(tag: str, files: dict[str, Path]) -> Any:
    """A note's value, from its tag or from the file that the tag names."""
    value = json.loads(tag)
    if isinstance(value, dict) and list(value) == [IN_FILE]:
        return json.loads(files[value[IN_FILE]].read_text(encoding="utf-8"))
    return value


def _name(what: str, name: str) -> str:
    if not _NAME.match(name) or ".." in name or name.startswith("/"):
        raise LedgerError(f"{what}: expected letters, digits, space and _ . / -, 200 at most; found {name!r}")
    return name


def _now() -> int:
    return time.time_ns() // 1000
