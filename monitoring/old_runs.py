"""Artifacts of old pipeline runs in MLflow. The runs themselves stay: the history is made of their tags."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from models.run_artifacts import PRUNED, artifact_bytes, remove_artifacts
from monitoring.ledger import IN_FILE, NOTE, PIPELINE_TAG, RUN_TAG, client_of
from monitoring.runs import PAGE


@dataclass(frozen=True)
class OldRun:
    """A pipeline run with artifacts."""

    name: str
    run_id: str
    size: int
    """Of its artifacts, in bytes."""


def old_runs(tracking_uri: str, product: str, before: int, kept: Collection[str]) -> list[OldRun]:
    """The runs of a product that began before a time (microseconds UTC) and still have artifacts, oldest first.

    Without the runs in ``kept``, and the newest of each pipeline if it has not ended: it may be running. Raises
    LedgerError if the address cannot be used.
    """
    client = client_of(tracking_uri)
    found = client.get_experiment_by_name(product)
    if found is None:
        return []
    runs = [run for run in _runs(client, found.experiment_id) if RUN_TAG in run.data.tags]
    newest = {run.data.tags.get(PIPELINE_TAG): run.info.run_id for run in runs}
    old = [
        run
        for run in runs
        if run.info.start_time * 1000 < before
        and run.data.tags[RUN_TAG] not in kept
        and PRUNED not in run.data.tags
        and (run.info.end_time or newest[run.data.tags.get(PIPELINE_TAG)] != run.info.run_id)
    ]
    sizes = [artifact_bytes(client, run.info.run_id) for run in old]
    return [OldRun(run.data.tags[RUN_TAG], run.info.run_id, size) for run, size in zip(old, sizes, strict=True) if size]


def runs_in_progress(tracking_uri: str, product: str) -> frozenset[str]:
    """The names of a product's runs that have not ended, or were killed with all that would have said so.

    Raises LedgerError if the address cannot be used.
    """
    client = client_of(tracking_uri)
    found = client.get_experiment_by_name(product)
    runs = [] if found is None else _runs(client, found.experiment_id)
    return frozenset(run.data.tags[RUN_TAG] for run in runs if RUN_TAG in run.data.tags and not run.info.end_time)


def remove_run_artifacts(tracking_uri: str, run: OldRun) -> None:
    """Remove a run's artifacts; first its notes that are kept in them, last it is tagged. A killed call is repeated."""
    client = client_of(tracking_uri)
    for key, value in client.get_run(run.run_id).data.tags.items():
        if key.startswith(NOTE) and _in_file(value):
            client.delete_tag(run.run_id, key)
    remove_artifacts(client, run.run_id, tracking_uri)
    client.set_tag(run.run_id, PRUNED, "artifacts")


def _in_file(tag: str) -> bool:
    value = json.loads(tag)
    return isinstance(value, dict) and list(value) == [IN_FILE]


def _runs(client: Any, experiment: str) -> list[Any]:
    """All runs of an experiment, oldest first."""
    runs, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return sorted(runs, key=lambda run: run.info.start_time)
