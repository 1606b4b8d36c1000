"""Encoder: the part of a model that makes vectors, identified by a digest. Calibration is not in it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from models.sealed import read_plain

_FILES = ("model.safetensors", "model.json", "training.json")


def encoder_of(files: Mapping[str, bytes]) -> str:
    """SHA-256, in hex, of what makes vectors, from the content of a model artifact's files by name.

    That is the weights, the configuration with schema and encoding, and the fan-out that the best epoch had. Models
    that differ in calibration only have the same, so they share vectors.
    """
    limit = json.loads(files["training.json"]).get("limit")
    parts = [sha256(files[name]).hexdigest() for name in _FILES[:2]]
    return sha256(json.dumps([*parts, limit]).encode()).hexdigest()


def encoder_in(folder: Path) -> str:
    """The same of a model artifact in a folder. Raises SealError for a file that is missing or not a plain one."""
    return encoder_of({name: read_plain(folder, name) for name in _FILES})
