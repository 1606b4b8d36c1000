"""A version's artifacts in MLflow: those of an MLflow server go through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.system import one_line
from serving.errors import RegistryError


def fetch_artifacts(version: str, uri: str, folder: Path, tracking_uri: str) -> Path:
    """Download the artifacts at ``uri`` into ``folder``; return their path. ``version``: a label for error messages.

    Raises RegistryError where they are missing, are links, cannot be written, or are not proxied by MLflow's server.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        with through_mlflow(version, uri):
            return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=tracking_uri))
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"{version}: expected its artifacts at {uri}, files and no links; found: {one_line(error)}. "
            "Put them back as they were, or register it again."
        ) from error


@contextmanager
def through_mlflow(version: str, uri: str) -> Iterator[None]:
    """Raise RegistryError where the block would need a client of the object storage that the artifacts are in."""
    try:
        yield
    except ImportError:
        raise RegistryError(
            f"{version}: expected artifacts that the MLflow server proxies (mlflow server --serve-artifacts), since no "
            f"client of object storage is installed; found them directly at {uri}."
        ) from None
