"""Specs as artifacts, each with its digest: that of a run in its file's name, those of steps in their metadata.

A run gets the address of the file; KFP would interpret a spec in a parameter (``{{$...}}``) and refuse a long one. The
first step writes the resolved spec, with the dates of its windows, as an artifact that all later steps read.
"""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

from models.files import replaced_file
from models.spec import Spec, SpecError, parse_spec
from models.storage import is_remote, join, read_bytes, write_bytes

DIGEST = "sha256"
"""Metadata of an artifact that a step has written: the digest of its content."""


def write_spec(spec: Spec, folder: str) -> str:
    """Write the spec to a folder at an address (``models.storage``), whole or not at all; return the file's address.

    An existing file has the same content. Raises OSError if nothing can be written, ValueError for such an address.
    """
    content = _content(spec)
    if not is_remote(folder):
        folder = str(Path(folder).absolute())
    address = join(folder, f"{hashlib.sha256(content).hexdigest()}.json")
    write_bytes(address, content)
    return address


def write_artifact(spec: Spec, artifact: Any) -> None:
    """Write the spec as a step's output, with its digest in the metadata."""
    content = _content(spec)
    with replaced_file(Path(artifact.path)) as draft:
        draft.write_bytes(content)
    artifact.metadata[DIGEST] = hashlib.sha256(content).hexdigest()


def read_spec(artifact: Any) -> Spec:
    """Read the spec in a KFP artifact (``uri``, and ``path`` on this machine).

    Raises SpecError if it cannot be read, or its digest is neither that of the metadata nor, without one, that of the
    file's name.
    """
    given = artifact.metadata.get(DIGEST)
    content = _read(Path(artifact.path).absolute().as_posix(), artifact.uri)
    return _checked(content, artifact.uri, str(given or PurePosixPath(artifact.uri).stem), given is not None)


def spec_at(address: str) -> Spec:
    """Read the spec that ``write_spec`` wrote to an address. Raises SpecError as ``read_spec``."""
    return _checked(_read(address, address), address, PurePosixPath(address).stem, False)


def _read(address: str, where: str) -> bytes:
    try:
        return read_bytes(address)
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or error
        raise SpecError(where, "(file)", "a spec", f"{type(error).__name__}: {found}") from None


def _checked(content: bytes, where: str, expected: str, in_metadata: bool) -> Spec:
    """Parse the spec if its digest is as expected."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        place = "metadata" if in_metadata else "name"
        raise SpecError(
            where,
            "(file)",
            f"content of the SHA-256 {expected[:80]!r}, as its {place} says",
            repr(found),
        )
    return parse_spec(content.decode(), where)


def _content(spec: Spec) -> bytes:
    return spec.model_dump_json(by_alias=True).encode()
