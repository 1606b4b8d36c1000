"""A version of the model as one folder: the artifact's files, with spec, metrics, data digests, card and prior.

``bundle.json`` holds the digest of every file; its own digest is the bundle's, and stands where the bundle cannot
change it: in the registry, in a worker's settings, in the InferenceService. A bundle IS a model artifact:
``load_model`` and ``Scorer`` read it.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from models.files import sha256_of_file
from models.sealed import SealError, json_object, plain_files, read_plain, stated_files
from models.spec import Spec, parse_spec
from serving.errors import RegistryError
from serving.versions.card import model_card
from serving.versions.prior import FILE, Prior

MANIFEST = "bundle.json"
SIGNATURE = "bundle.sig"
"""Beside the manifest, where the version was signed; no part of what the manifest names."""
SPEC = "spec.json"
_PARTS = ("manifest.json", "metrics.json", "data.json", "MODEL_CARD.md", SPEC, FILE)


def write_bundle(
    model: Path,
    spec: Spec,
    metrics: Mapping[str, Any],
    data: Mapping[str, Any],
    folder: Path,
    prior: Prior | None = None,
) -> Path:
    """Write the bundle of a model artifact to ``folder`` (which must not exist), all at once; returns ``folder``.

    ``metrics``: as evaluation wrote them; ``data``: digests of what the model was trained on (tables, training set,
    graph); ``prior``: what ranks while the store is away, None = every item is as good as any other. Training facts for
    the card come from the artifact's ``training.json``.
    """
    if folder.exists():
        raise RegistryError(f"{folder}: expected no such folder yet; found one. Choose another or remove it.")
    if not (model / "manifest.json").is_file():
        raise RegistryError(f"{model}: expected a model artifact; found no manifest.json. Was training completed?")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name in _plain(model):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(read_plain(model, name))
        training = _read_json(draft / "training.json")
        (draft / SPEC).write_text(spec.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        (prior or Prior.empty(spec)).write(draft / FILE, spec)
        _write_json(draft / "metrics.json", metrics)
        _write_json(draft / "data.json", data)
        (draft / "MODEL_CARD.md").write_text(model_card(spec, metrics, data, training), encoding="utf-8")
        files = {name: sha256_of_file(draft / name) for name in plain_files(draft)}
        _write_json(draft / MANIFEST, {"format": 1, "files": files})
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory: every file was read once, and what is here is what was verified."""

    folder: Path
    digest: str
    """SHA-256 in hex of the manifest, which holds the digest of every other file."""
    files: Mapping[str, bytes]
    """By name, without the manifest."""
    signature: str
    """``serving.versions.signing``; "" where it was not signed."""

    @property
    def spec(self) -> Spec:
        """The spec that it was made with."""
        return parse_spec(self.files[SPEC].decode("utf-8"), str(self.folder / SPEC))


def read_bundle(folder: Path, digest: str = "") -> Bundle:
    """Read a bundle and check every file against the manifest, and that against ``digest`` ("" = any).

    Raises RegistryError for a file that was changed, added, removed or renamed, or that is no plain file.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise RegistryError(
            f"{folder}: expected a bundle; found no {MANIFEST}. Write it with serving.versions.bundle.write_bundle."
        )
    try:
        raw = read_plain(folder, MANIFEST)
        found = sha256(raw).hexdigest()
        if digest and found != digest:
            raise RegistryError(
                f"{path}: expected digest {digest[:12]}..., as it was registered; found {found[:12]}... The bundle was "
                "changed: put the version up again, or register it anew."
            )
        stated = stated_files(json_object(raw, path), path)
        here = [name for name in plain_files(folder) if name not in (MANIFEST, SIGNATURE)]
        if here != sorted(stated):
            differing = sorted(set(here) ^ set(stated))
            raise RegistryError(
                f"{folder}: expected the files that {MANIFEST} names; found a difference in {differing}."
            )
        for part in _PARTS:
            if part not in stated:
                raise RegistryError(f"{folder}: expected the file {part}; found none.")
        files = {name: read_plain(folder, name) for name in stated}
        signed = read_plain(folder, SIGNATURE).decode("utf-8", "replace") if (folder / SIGNATURE).exists() else ""
    except SealError as error:
        raise RegistryError(f"{error}. Register it anew.") from None
    for name, content in files.items():
        actual = sha256(content).hexdigest()
        if actual != stated[name]:
            raise RegistryError(
                f"{folder / name}: expected sha256 {stated[name][:12]}...; found {actual[:12]}... Register it anew."
            )
    return Bundle(folder, found, files, signed.strip())


def verify_bundle(folder: Path) -> str:
    """Check every file against its digest; returns the digest of the whole. Raises RegistryError."""
    return read_bundle(folder).digest


def read_spec(folder: Path) -> Spec:
    """The spec that a bundle was made with; verified. Raises RegistryError."""
    return read_bundle(folder).spec


def _plain(model: Path) -> list[str]:
    """The files of a model artifact: none may be a link to another place."""
    try:
        return plain_files(model)
    except SealError as error:
        raise RegistryError(f"{error}. Train the model again.") from None


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
