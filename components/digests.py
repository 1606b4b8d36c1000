"""Digests of what a cached step reads, as parameters: KFP's cache compares parameters, but of artifacts only the names.

A step with ``inputs`` is repeated where that digest, another parameter or the image differs; else KFP may take its
outputs from an earlier run.
"""

from collections.abc import Iterable
from pathlib import Path

from models.files import sha256_of_file, sha256_of_json, write_text
from models.spec import Spec

MANIFEST = "manifest.json"


def write_digest(path: str, spec: Spec, folders: Iterable[str] = (), given: str = "") -> str:
    """Write the digest of a spec, of folders that have a manifest with digests, and of ``given`` to a parameter's path.

    Returns the digest. Raises OSError if a folder has no manifest.
    """
    document = {
        "spec": spec.model_dump(mode="json", by_alias=True),
        "folders": [sha256_of_file(Path(folder) / MANIFEST) for folder in folders],
        "given": given,
    }
    digest = sha256_of_json(document)
    write_text(Path(path), digest)
    return digest
