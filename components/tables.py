"""Address of an artifact, which other machines can read."""

from pathlib import Path
from typing import Any

from models.storage import is_remote


def address_of(artifact: Any) -> str:
    """The URI of a KFP artifact in object storage, else its absolute path; MinIO is S3 at AWS_ENDPOINT_URL."""
    uri = str(artifact.uri)
    if not is_remote(uri):
        return str(Path(artifact.path).resolve())
    return f"s3://{uri.removeprefix('minio://')}" if uri.startswith("minio://") else uri
