"""The spec as a file that is named after its digest: a run hands over its address, components read it as an artifact.

As a parameter it would be interpreted (``{{$...}}``), and refused where it is long.
"""

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import Any

from models.spec import Spec, SpecError, parse_spec

REMOTE = ("s3://", "gs://", "minio://")
"""What Kubeflow Pipelines fetches artifacts from; MinIO is written to as S3 (AWS_ENDPOINT_URL says where it is)."""


def write_spec(spec: Spec, folder: str) -> str:
    """Write the spec to a folder of this machine or an address in ``REMOTE``; returns its own address, which is short.

    The file appears as a whole; one that is there already is what is to be written. Raises OSError.
    """
    content = spec.model_dump_json(by_alias=True).encode()
    address = f"{folder.rstrip('/')}/{hashlib.sha256(content).hexdigest()}.json"
    if address.startswith(REMOTE):
        from pyarrow.fs import FileSystem

        files, path = FileSystem.from_uri(address.replace("minio://", "s3://", 1))
        with files.open_output_stream(path) as stream:
            stream.write(content)
        return address
    file = Path(address)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{os.getpid()}.{file.name}")
    partial.write_bytes(content)
    partial.replace(file)
    return str(file.absolute())


def read_spec(artifact: Any) -> Spec:
    """The spec in an artifact of KFP (``uri``, and ``path`` on this machine).

    Raises SpecError, also where the content is not that of the digest in its name.
    """
    where, expected = artifact.uri, PurePosixPath(artifact.uri).stem
    try:
        content = Path(artifact.path).read_bytes()
    except OSError as error:
        raise SpecError(where, "(file)", "a spec", f"{type(error).__name__}: {error.strerror or error}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SpecError(where, "(file)", f"content of the SHA-256 {expected[:80]!r}, as its name says", repr(found))
    return parse_spec(content.decode(), where)
