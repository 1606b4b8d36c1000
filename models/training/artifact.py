"""The model artifact: a folder of safetensors and JSON files with a digest of each. No pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from models.configs.model import ModelConfig
from models.files import replaced_folder, sha256_of_file
from models.graph.schema import GraphSchema
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.sealed import SealError, json_object, read_plain, stated_files
from models.training.calibration import Calibration
from models.training.errors import ArtifactError
from models.training.files import write_json

FORMAT = 2
MANIFEST = "manifest.json"
_FILES = ("model.safetensors", "model.json", "calibration.json", "training.json")


@dataclass
class Model:
    """A trained model with everything it needs except a graph."""

    ranker: Ranker
    encoding: Encoding
    schema: GraphSchema
    calibration: Calibration
    training: dict[str, Any]
    """How it was trained: config, windows, first and last time, epochs, validation AUC by epoch."""

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
    with replaced_folder(folder) as new:
        (new / "model.safetensors").write_bytes(safetensors.torch.save(weights))
        write_json(
            new / "model.json",
            {
                "config": asdict(model.ranker.config),
                "schema": model.schema.to_json(),
                "encoding": model.encoding.to_json(),
            },
        )
        _finish(new, model.calibration, model.training)
    return folder


def change_calibration(folder: Path, calibration: Calibration, **training: Any) -> None:
    """Give the artifact in ``folder`` another calibration and further entries of ``training.json``, atomically.

    Weights and configuration keep their bytes, so the model keeps its vectors (``models.training.encoder``). Raises
    ArtifactError.
    """
    contents = _contents(folder)
    before = json.loads(_verified(contents, folder)["training.json"])
    with replaced_folder(folder) as new:
        for name in ("model.safetensors", "model.json"):
            (new / name).write_bytes(contents[name])
        _finish(new, calibration, {**before, **training})


def _finish(folder: Path, calibration: Calibration, training: Mapping[str, Any]) -> None:
    """Write the files that say how a model was trained and calibrated, and the manifest."""
    write_json(folder / "calibration.json", calibration.to_json())
    write_json(folder / "training.json", dict(training))
    files = {name: sha256_of_file(folder / name) for name in _FILES}
    write_json(folder / MANIFEST, {"format": FORMAT, "files": files})


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
    ranker = Ranker(config, schema, encoding)
    try:
        ranker.load_state_dict(safetensors.torch.load(files["model.safetensors"]))
    except (SafetensorError, RuntimeError) as error:
        raise ArtifactError(f"{folder}/model.safetensors: expected the weights of model.json; found {error}") from error
    return Model(
        ranker=ranker.to(device).eval(),
        encoding=encoding,
        schema=schema,
        calibration=Calibration.from_json(json.loads(files["calibration.json"])),
        training=json.loads(files["training.json"]),
    )


def _contents(folder: Path) -> dict[str, bytes]:
    """The content of an artifact's files that are there, by name. Raises ArtifactError."""
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder}: expected a model artifact; found no {MANIFEST}: train or download it again")
    try:
        found = [name for name in (MANIFEST, *_FILES) if (folder / name).exists()]
        return {name: read_plain(folder, name) for name in found}
    except SealError as error:
        raise ArtifactError(f"{error}: incomplete or changed, train or download it again") from None


def _verified(contents: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
    """The content of every file of a model, checked against the manifest's digests."""
    manifest = folder / MANIFEST
    try:
        document = json_object(contents[MANIFEST], manifest)
        if document.get("format") != FORMAT:
            found = document.get("format")
            raise ArtifactError(f"{manifest}: expected format {FORMAT}; found {found!r}: use the release that wrote it")
        stated = stated_files(document, manifest)
    except (SealError, KeyError) as error:
        raise ArtifactError(f"{error}: damaged, train or download it again") from None
    for name in _FILES:
        if name not in contents or name not in stated:
            raise ArtifactError(f"{folder / name}: expected a file that the manifest names; found none: incomplete")
        found = sha256(contents[name]).hexdigest()
        if found != stated[name]:
            raise ArtifactError(
                f"{folder / name}: expected sha256 {stated[name]}; found {found}: damaged, download it again"
            )
    return {name: contents[name] for name in _FILES}
