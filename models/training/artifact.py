"""The model artifact: a folder of safetensors, JSON and text files with a digest of each. No pickle."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from models.calibration import Calibration
from models.configs.model import ModelConfig
from models.files import replaced_folder, sha256_of_file
from models.graph.schema import GraphSchema
from models.nn.build import build_ranker
from models.nn.encoding import Encoding
from models.nn.family import Family
from models.sealed import SealError, json_object, read_plain, stated_files
from models.training.errors import ArtifactError
from models.training.files import write_json
from models.trees.errors import TreesError
from models.trees.inputs import TreeInputs
from models.trees.trees import DOCUMENT, Trees

FORMAT = 2
WITH_TREES = 3
"""The format of a model with trees, which an earlier release would read as its network alone."""
OF_ANOTHER_FAMILY = 4
"""The format of a model of another family than ``graph``, with trees or without, which earlier releases do not know."""
_FORMATS = (FORMAT, WITH_TREES, OF_ANOTHER_FAMILY)
MANIFEST = "manifest.json"
_NETWORK = ("model.safetensors", "model.json")
_FILES = (*_NETWORK, "calibration.json", "training.json")
_VALIDATION = "validation.safetensors"
_TREES = re.compile(rf"{re.escape(DOCUMENT)}|trees_\w+\.txt")


@dataclass(frozen=True)
class Validation:
    """What the selection's network said of the rows that calibrate it, for the trees that are fitted beside it."""

    rows: Tensor
    """(n,) int64: seeds of the graph."""
    times: Tensor
    """(n,) int64: when they were shown (microseconds UTC), by which another graph is told apart."""
    logits: Tensor
    """(n, tasks) float32."""


@dataclass
class Model:
    """A trained model with everything it needs except a graph."""

    ranker: Family
    encoding: Encoding
    schema: GraphSchema
    calibration: Calibration
    training: dict[str, Any]
    """How it was trained: config, windows, first and last time, epochs, validation AUC by epoch."""
    trees: Trees | None = None
    """The trees beside the network; ``calibration`` is then of the mean of both."""
    validation: Validation | None = None
    """In the artifact of a fit, until its trees are fitted or left out."""

    @property
    def tasks(self) -> list[str]:
        """The tasks' names, in the order of the logits' columns."""
        return [task.name for task in self.schema.seeds.tasks]

    @property
    def largest_fan_out(self) -> int | None:
        """The largest fan-out of its best epoch, with which it also scores and embeds; None = the schema's."""
        return self.training.get("limit")

    @property
    def seen_until(self) -> int:
        """The end of the days that fitted or chose the weights, microseconds UTC: no later seed was read."""
        return max(self.schema.window(name).end for name in ("train", "validate"))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.ranker.parameters()).device


def save_model(model: Model, folder: Path) -> Path:
    """Write the artifact folder atomically, replacing an older one; returns ``folder``."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.ranker.state_dict().items()}
    document = {
        "config": model.ranker.config.of_network(),
        "schema": model.schema.to_json(),
        "encoding": model.encoding.to_json(),
    }
    with replaced_folder(folder) as new:
        (new / "model.safetensors").write_bytes(safetensors.torch.save(weights))
        write_json(new / "model.json", document)
        _finish(new, model.calibration, model.training, {**_trees(model.trees), **_validation(model.validation)})
    return folder


def change_calibration(
    folder: Path, calibration: Calibration, validation: Validation | None = None, **training: Any
) -> None:
    """Give the artifact in ``folder`` another calibration and further entries of ``training.json``, atomically.

    Weights and configuration keep their bytes, so the model keeps its vectors (``models.training.encoder``), and trees
    theirs. ``validation``: another one, where it is given. Raises ArtifactError.
    """
    files = _verified(_contents(folder), folder)
    more = {name: files[name] for name in files if name not in _FILES} | _validation(validation)
    _rewrite(files, folder, calibration, more, training)


def change_trees(network: Path, folder: Path, trees: Trees | None, calibration: Calibration, **training: Any) -> None:
    """Write the artifact ``network`` to ``folder`` with these trees or none, without its ``Validation``; atomically.

    ``calibration`` of the product and further entries of ``training.json``. The network keeps its bytes. Raises
    ArtifactError.
    """
    _rewrite(_verified(_contents(network), network), folder, calibration, _trees(trees), training)


def _rewrite(
    files: Mapping[str, bytes],
    folder: Path,
    calibration: Calibration,
    more: Mapping[str, bytes],
    training: Mapping[str, Any],
) -> None:
    """Write an artifact with the network of ``files``."""
    before = json.loads(files["training.json"])
    with replaced_folder(folder) as new:
        for name in _NETWORK:
            (new / name).write_bytes(files[name])
        _finish(new, calibration, {**before, **training}, more)


def _finish(folder: Path, calibration: Calibration, training: Mapping[str, Any], more: Mapping[str, bytes]) -> None:
    """Write the files that say how a model was trained and calibrated, those in ``more``, and the manifest."""
    write_json(folder / "calibration.json", calibration.to_json())
    write_json(folder / "training.json", dict(training))
    for name, content in more.items():
        (folder / name).write_bytes(content)
    files = {name: sha256_of_file(folder / name) for name in (*_FILES, *more)}
    write_json(folder / MANIFEST, {"format": _format(folder, more), "files": files})


def _format(folder: Path, more: Mapping[str, bytes]) -> int:
    """The lowest format that says all that is in ``folder``."""
    config = json.loads((folder / "model.json").read_bytes())["config"]
    if config.get("family", "graph") != "graph":
        return OF_ANOTHER_FAMILY
    return WITH_TREES if DOCUMENT in more else FORMAT


def _trees(trees: Trees | None) -> dict[str, bytes]:
    return {} if trees is None else trees.files()


def _validation(validation: Validation | None) -> dict[str, bytes]:
    return {} if validation is None else {_VALIDATION: safetensors.torch.save(vars(validation))}


def load_model(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Read and verify an artifact folder; the model is in evaluation mode.

    Every file is read once: the bytes that are verified are the bytes that are parsed. Raises ArtifactError if a file
    is missing, changed or of another format.
    """
    folder = Path(folder)
    return model_of(_contents(folder), folder, device)


def model_of(contents: Mapping[str, bytes], folder: Path, device: torch.device | str = "cpu") -> Model:
    """Verify and parse the content of an artifact's files; ``folder`` is named in errors. Raises ArtifactError."""
    files = _verified(contents, folder)
    document = json.loads(files["model.json"])
    config = ModelConfig(**document["config"])
    schema = GraphSchema.from_json(document["schema"])
    encoding = Encoding.from_json(document["encoding"])
    ranker = build_ranker(config, schema, encoding)
    try:
        ranker.load_state_dict(safetensors.torch.load(files["model.safetensors"]))
    except (SafetensorError, RuntimeError) as error:
        raise ArtifactError(f"{folder}/model.safetensors: expected the weights of model.json; found {error}") from error
    model = Model(
        ranker=ranker.to(device).eval(),
        encoding=encoding,
        schema=schema,
        calibration=Calibration.from_json(json.loads(files["calibration.json"])),
        training=json.loads(files["training.json"]),
        validation=_validation_of(files, folder),
    )
    if DOCUMENT in files:
        columns = TreeInputs.of(config, schema, encoding).names
        try:
            model.trees = Trees.of_files(files, model.tasks, columns)
        except TreesError as error:
            raise ArtifactError(f"{folder}: {error}") from None
    return model


def _validation_of(files: Mapping[str, bytes], folder: Path) -> Validation | None:
    try:
        return Validation(**safetensors.torch.load(files[_VALIDATION])) if _VALIDATION in files else None
    except (SafetensorError, TypeError) as error:
        raise ArtifactError(
            f"{folder / _VALIDATION}: expected rows, times and logits; found {error}: train it again"
        ) from None


def _is_of_model(name: str) -> bool:
    return name in _FILES or name == _VALIDATION or bool(_TREES.fullmatch(name))


def _contents(folder: Path) -> dict[str, bytes]:
    """The content of an artifact's files that are there, by name. Raises ArtifactError."""
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder}: expected a model artifact; found no {MANIFEST}: train or download it again")
    try:
        found = [path.name for path in folder.iterdir() if path.name == MANIFEST or _is_of_model(path.name)]
        return {name: read_plain(folder, name) for name in found}
    except SealError as error:
        raise ArtifactError(f"{error}: incomplete or changed, train or download it again") from None


def _verified(contents: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
    """The content of every file of a model, checked against the manifest's digests."""
    manifest = folder / MANIFEST
    try:
        document = json_object(contents[MANIFEST], manifest)
        if document.get("format") not in _FORMATS:
            expected, found = f"{', '.join(map(str, _FORMATS[:-1]))} or {_FORMATS[-1]}", document.get("format")
            raise ArtifactError(
                f"{manifest}: expected format {expected}; found {found!r}: use the release that wrote it"
            )
        stated = stated_files(document, manifest)
    except (SealError, KeyError) as error:
        raise ArtifactError(f"{error}: damaged, train or download it again") from None
    named = list(dict.fromkeys([*_FILES, *filter(_is_of_model, stated)]))
    for name in named:
        if name not in contents or name not in stated:
            raise ArtifactError(f"{folder / name}: expected a file that the manifest names; found none: incomplete")
        found = sha256(contents[name]).hexdigest()
        if found != stated[name]:
            raise ArtifactError(
                f"{folder / name}: expected sha256 {stated[name]}; found {found}: damaged, download it again"
            )
    return {name: contents[name] for name in named}
