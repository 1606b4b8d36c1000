"""Artifacts of MLflow's runs, wherever they are stored: their size, and their removal."""

from typing import Any

PRUNED = "heliograph.pruned"
"""Tag of a run whose artifacts are removed, or about to be: it names none any more."""


def artifact_bytes(client: Any, run_id: str, folder: str | None = None) -> int:
    """The size of a run's artifacts; 0 where there are none."""
    found = client.list_artifacts(run_id, folder)
    return sum(artifact_bytes(client, run_id, one.path) if one.is_dir else one.file_size or 0 for one in found)


def remove_artifacts(client: Any, run_id: str, tracking_uri: str) -> None:
    """Remove all artifacts of a run; nothing where there are none."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    place = get_artifact_repository(client.get_run(run_id).info.artifact_uri, tracking_uri=tracking_uri)
    for found in client.list_artifacts(run_id):
        place.delete_artifacts(found.path)
