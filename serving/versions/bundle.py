"""Bundle: a model version as one folder: the artifact's files, spec, metrics, data digests, model card, prior, profile.

``bundle.json`` holds the digest of every file. Its own digest identifies the bundle and is kept outside of it: in the
registry, in a worker's settings, in the InferenceService. A bundle is also a model artifact: ``load_model`` and
``Scorer`` read it, and what they read is what serves. Where those weights are of a refit, the folder ``judged`` in the
bundle is the model artifact that the gate judged.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from models.calibration import Calibration
from models.files import new_folder, sha256_of_file
from models.sealed import SealError, json_object, plain_files, read_plain, stated_files
from models.spec import Spec, parse_spec
from serving.errors import RegistryError
from serving.versions.card import model_card
from serving.versions.prior import FILE, Prior

MANIFEST = "bundle.json"
SIGNATURE = "bundle.sig"
"""File with the version's signature, if it was signed; not listed in the manifest."""
SPEC = "spec.json"
PROFILE = "profile.json"
"""File with what the version's columns, predictions and labels were like; bundles of release 0.1 have none."""
JUDGED = "judged"
"""Folder in a bundle: the model that the gate judged, where a refit of it serves."""
_REQUIRED = ("manifest.json", "metrics.json", "data.json", "MODEL_CARD.md", SPEC)


def write_bundle(
    model: Path,
    spec: Spec,
    metrics: Mapping[str, Any],
    data: Mapping[str, Any],
    folder: Path,
    prior: Prior | None = None,
    judged: Path | None = None,
    profile: Mapping[str, Any] | None = None,
) -> Path:
    """Write the bundle of a model artifact to a new ``folder``, atomically; return ``folder``.

    ``judged``: the model artifact that the gate judged, where ``model`` is a refit of it; None = ``model`` itself.

    ``metrics``: from evaluation; ``data``: digests of the training data (tables, training set, graph); ``prior``: ranks
    items while the online store is unavailable, None = all items are equal; ``profile``: what monitors compare
    served rows with, None = no such file. The model card takes its training facts from the artifact's
    ``training.json``. Raises RegistryError where ``folder`` exists or ``model`` is no artifact.
    """
    models = {"": model, **({f"{JUDGED}/": judged} if judged else {})}
    for artifact in models.values():
        if not (artifact / "manifest.json").is_file():
            raise RegistryError(
                f"{artifact}: expected a model artifact; found no manifest.json. Was training completed?"
            )
    try:
        with new_folder(folder) as draft:
            for prefix, artifact in models.items():
                for name in _plain(artifact):
                    (draft / prefix / name).parent.mkdir(parents=True, exist_ok=True)
                    (draft / prefix / name).write_bytes(read_plain(artifact, name))
            training = _read_json(draft / "training.json")
            kept = _read_json(draft / JUDGED / "training.json") if judged else None
            (draft / SPEC).write_text(spec.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
            (prior or Prior.empty(spec)).write(draft / FILE, spec)
            _write_json(draft / "metrics.json", metrics)
            _write_json(draft / "data.json", data)
            if profile is not None:
                (draft / PROFILE).write_bytes(profile_bytes(profile))
            calibration = Calibration.from_json(_read_json(draft / "calibration.json"))
            card = model_card(spec, metrics, data, training, calibration, kept)
            (draft / "MODEL_CARD.md").write_text(card, encoding="utf-8")
            files = {name: sha256_of_file(draft / name) for name in plain_files(draft)}
            _write_json(draft / MANIFEST, {"format": 1, "files": files})
    except FileExistsError as error:
        raise RegistryError(str(error)) from None
    return folder


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory; every file was read once, so its content is what was verified."""

    folder: Path
    digest: str
    """SHA-256 of the manifest in hex; the manifest holds the digest of every other file."""
    files: Mapping[str, bytes]
    """Content by name, without the manifest."""
    signature: str
    """See ``serving.versions.signing``; "" where the version is not signed."""

    @property
    def spec(self) -> Spec:
        """The spec that the model was trained with."""
        return parse_spec(self.files[SPEC].decode("utf-8"), str(self.folder / SPEC))

    @property
    def prior(self) -> Prior:
        """What ranks items while the online store is unavailable. Raises RegistryError for a bundle of release 0.1.

        Such a version does not serve; as a champion it keeps no gate from judging the next one.
        """
        if FILE not in self.files:
            raise RegistryError(
                f"{self.folder}: expected the file {FILE}; found none, as in bundles of release 0.1. Train a version "
                "with this release."
            )
        return Prior.read(self.files[FILE])


def read_bundle(folder: Path, digest: str = "") -> Bundle:
    """Read a bundle and verify every file against the manifest, and the manifest against ``digest`` ("" = any).

    Raises RegistryError for a file that was changed, added, removed or renamed, or is not a regular file.
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
                "changed: start the version again (`up`), or register it again."
            )
        stated = stated_files(json_object(raw, path), path)
        here = [name for name in plain_files(folder) if name not in (MANIFEST, SIGNATURE)]
        if here != sorted(stated):
            differing = sorted(set(here) ^ set(stated))
            raise RegistryError(
                f"{folder}: expected the files that {MANIFEST} names; found a difference in {differing}."
            )
        for name in _REQUIRED:
            if name not in stated:
                raise RegistryError(f"{folder}: expected the file {name}; found none.")
        files = {name: read_plain(folder, name) for name in stated}
        signed = read_plain(folder, SIGNATURE).decode("utf-8", "replace") if (folder / SIGNATURE).exists() else ""
    except SealError as error:
        raise RegistryError(f"{error}. Register it again.") from None
    for name, content in files.items():
        actual = sha256(content).hexdigest()
        if actual != stated[name]:
            raise RegistryError(
                f"{folder / name}: expected sha256 {stated[name][:12]}...; found {actual[:12]}... Register it again."
            )
    return Bundle(folder, found, files, signed.strip())


def judged_model(folder: Path) -> Path:
    """The model artifact in a version's bundle that its gate judged, which the gates of later candidates score.

    Its weights have not seen the gate window that they were judged on, whatever a refit that serves has seen.
    """
    judged = folder / JUDGED
    return judged if judged.is_dir() else folder


def read_spec(folder: Path) -> Spec:
    """Read and verify a bundle; return its spec. Raises RegistryError."""
    return read_bundle(folder).spec


def profile_bytes(profile: Mapping[str, Any]) -> bytes:
    """The file of a version's profile."""
    return json.dumps(profile, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


def _plain(model: Path) -> list[str]:
    """The files of a model artifact; links are refused."""
    try:
        return plain_files(model)
    except SealError as error:
        raise RegistryError(f"{error}. Train the model again.") from None


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
