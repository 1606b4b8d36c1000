"""A version of the model as one folder: the artifact's files, with spec, metrics, data digests, card and prior.

``bundle.json`` holds the digest of every file. A bundle IS a model artifact: ``load_model`` and ``Scorer`` read it.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.files import sha256_of_file
from models.spec import Spec, parse_spec
from serving.card import model_card
from serving.errors import RegistryError
from serving.prior import FILE, Prior

MANIFEST = "bundle.json"
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
        shutil.copytree(model, draft, dirs_exist_ok=True)
        training = _read_json(draft / "training.json")
        (draft / SPEC).write_text(spec.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        (prior or Prior.empty(spec)).write(draft / FILE, spec)
        _write_json(draft / "metrics.json", metrics)
        _write_json(draft / "data.json", data)
        (draft / "MODEL_CARD.md").write_text(model_card(spec, metrics, data, training), encoding="utf-8")
        files = {name: sha256_of_file(draft / name) for name in _files(draft)}
        _write_json(draft / MANIFEST, {"format": 1, "files": files})
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def verify_bundle(folder: Path) -> str:
    """Check every file against its digest; returns the digest of the whole. Raises RegistryError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise RegistryError(
            f"{folder}: expected a bundle; found no {MANIFEST}. Write it with serving.bundle.write_bundle."
        )
    try:
        files: dict[str, str] = _read_json(path)["files"]
    except (ValueError, KeyError, TypeError):
        raise RegistryError(f"{path}: expected JSON with the digests of the files; found something else.") from None
    found = _files(folder)
    if found != sorted(files):
        differing = sorted(set(found) ^ set(files))
        raise RegistryError(f"{folder}: expected the files that {MANIFEST} names; found a difference in {differing}.")
    for part in _PARTS:
        if part not in files:
            raise RegistryError(f"{folder}: expected the file {part}; found none.")
    for name, expected in files.items():
        actual = sha256_of_file(folder / name)
        if actual != expected:
            raise RegistryError(
                f"{folder / name}: expected sha256 {expected[:12]}...; found {actual[:12]}... Register it anew."
            )
    return sha256_of_file(path)


def read_spec(folder: Path) -> Spec:
    """The spec that a bundle was made with."""
    path = folder / SPEC
    return parse_spec(path.read_text(encoding="utf-8"), str(path))


def _files(folder: Path) -> list[str]:
    """Every file but the manifest, relative, sorted."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != MANIFEST)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
