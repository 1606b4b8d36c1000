"""All runs of a product, read from their ledgers in a few calls to MLflow and without their artifacts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from monitoring.errors import LedgerError
from monitoring.ledger import IN_FILE, NOTE, PIPELINE_TAG, RUN_TAG, STEP, client_of, first_line
from monitoring.record import Step

PAGE = 500


@dataclass(frozen=True)
class Run:
    """One run as its ledger's tags tell it."""

    name: str
    experiment: str
    """The product."""
    pipeline: str | None
    """None if the run is older than this tag."""
    started: int
    """Microseconds UTC."""
    ended: int | None
    """Microseconds UTC; None until the exit handler has closed the ledger."""
    succeeded: bool
    """Whether the ledger was closed as a success."""
    steps: list[Step] = field(default_factory=list)
    """In order of their start; one that runs or was interrupted has the status ``running``."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Without those that are too long for a tag and kept in a file."""


def read_runs(tracking_uri: str, experiment: str | None = None) -> list[Run]:
    """The runs of an experiment, or of all of them, oldest first; empty if there is no such experiment.

    Raises LedgerError if MLflow does not respond.
    """
    client = client_of(tracking_uri)
    try:
        names = {
            found.experiment_id: found.name
            for found in _pages(client.search_experiments)
            if experiment in (None, found.name)
        }
        found = _pages(client.search_runs, list(names)) if names else iter(())
        runs = [_run(run, names[run.info.experiment_id]) for run in found if RUN_TAG in run.data.tags]
    except Exception as error:
        raise LedgerError(
            f"history: expected MLflow at {tracking_uri} to respond; found {first_line(error)}. Check the address and "
            "that the server is up"
        ) from error
    return sorted(runs, key=lambda run: (run.started, run.name))


def _run(run: Any, experiment: str) -> Run:
    tags = run.data.tags
    steps = [Step.from_json(key.removeprefix(STEP), json.loads(tags[key])) for key in tags if key.startswith(STEP)]
    notes = {key.removeprefix(NOTE): json.loads(tags[key]) for key in tags if key.startswith(NOTE)}
    return Run(
        name=tags[RUN_TAG],
        experiment=experiment,
        pipeline=tags.get(PIPELINE_TAG),
        started=run.info.start_time * 1000,
        ended=run.info.end_time * 1000 if run.info.end_time else None,
        succeeded=run.info.status == "FINISHED",
        steps=sorted(steps, key=lambda step: (step.started, step.name)),
        notes={key: note for key, note in notes.items() if not (isinstance(note, dict) and list(note) == [IN_FILE])},
    )


def _pages(search: Any, *arguments: Any) -> Iterator[Any]:
    """The results of one of MLflow's searches, page after page."""
    token = None
    while True:
        page = search(*arguments, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
