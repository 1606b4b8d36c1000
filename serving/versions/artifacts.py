"""Download of a version's artifacts from MLflow."""

from pathlib import Path

from models.system import one_line
from serving.errors import RegistryError


def fetch_artifacts(version: str, uri: str, folder: Path, tracking_uri: str) -> Path:
    """Download the artifacts at ``uri`` into ``folder``; return their path. ``version``: a label for error messages.

    Raises RegistryError where they are missing, are links, or cannot be written.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=tracking_uri))
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"{version}: expected its artifacts at {uri}, files and no links; found: {one_line(error)}. "
            "Put them back as they were, or register it again."
        ) from error
