"""A quantizer in a folder: safetensors and JSON with a digest of each file, and the codes of keys as Parquet."""

import json
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from models.sealed import SealError, json_object, read_plain, stated_files
from models.semantic.config import QuantizerConfig
from models.semantic.errors import SemanticError
from models.semantic.packing import bytes_per_key, unpack
from models.semantic.quantizer import Codes, Quantizer
from models.semantic.scalar import Frame

FORMAT = 1
MANIFEST, WEIGHTS, CODES = "manifest.json", "quantizer.safetensors", "codes.parquet"
PACKED = "packed"
"""The column of ``codes.parquet`` beside the key."""
_WEIGHTS = ("mean", "rotation", "scale", "books")
_AGAIN = "Quantize the vectors again, or download the folder again"


def write_quantizer(quantizer: Quantizer, folder: Path, notes: dict[str, Any], more: tuple[str, ...] = ()) -> None:
    """Write it and the manifest into ``folder``, which has the files ``more`` already and is renamed by the caller.

    ``notes``: what a reader should know, for people only; JSON.
    """
    frame = quantizer.frame
    values = dict(zip(_WEIGHTS, (frame.mean, frame.rotation, frame.scale, quantizer.books), strict=True))
    (folder / WEIGHTS).write_bytes(save({name: value.contiguous() for name, value in values.items()}))
    document = {
        "format": FORMAT,
        "config": asdict(quantizer.config),
        "rows": quantizer.rows,
        "bytes_per_key": bytes_per_key(quantizer.config, len(frame.scale)),
        "notes": notes,
        "files": {name: sha256((folder / name).read_bytes()).hexdigest() for name in sorted({WEIGHTS, *more})},
    }
    (folder / MANIFEST).write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False), encoding="utf-8")


def load_quantizer(folder: Path) -> Quantizer:
    """Read a quantizer and check its digest, settings and shapes. Raises SemanticError."""
    document = _manifest(folder)
    try:
        known = {field.name for field in fields(QuantizerConfig)}
        given = document.get("config")
        if not isinstance(given, dict) or set(given) != known:
            raise SemanticError(f"config: expected the keys {', '.join(sorted(known))}; found {given!r:.200}")
        config = QuantizerConfig(**given)
        rows = document.get("rows")
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise SemanticError(f"rows: expected a whole number above 0; found {rows!r:.80}")
        weights = load(_verified(folder, WEIGHTS, document))
        return _checked(config, rows, weights)
    except (SemanticError, SafetensorError) as error:
        raise SemanticError(f"{folder}: {error}. {_AGAIN}") from None


def read_codes(folder: Path, quantizer: Quantizer) -> tuple[pa.Array, Codes]:
    """Keys (n,) and codes of ``codes.parquet``, in its order: only those that have a vector. Raises SemanticError."""
    raw = _verified(folder, CODES, _manifest(folder))
    try:
        table = pq.read_table(pa.BufferReader(raw))
    except pa.ArrowException as error:
        raise SemanticError(f"{folder / CODES}: expected Parquet; found {error}. {_AGAIN}") from None
    size = bytes_per_key(quantizer.config, len(quantizer.frame.scale))
    if len(table.schema) < 2 or table.schema.field(1).type != pa.binary(size):
        raise SemanticError(f"{folder / CODES}: expected a key and {size} bytes; found {table.schema.names}. {_AGAIN}")
    packed = table.column(1).combine_chunks()
    values = torch.frombuffer(bytearray(packed.buffers()[1] or b"\0"), dtype=torch.uint8)[: len(packed) * size]
    codes = unpack(values.view(len(packed), size).numpy(), quantizer.config, len(quantizer.frame.scale))
    return table.column(0).combine_chunks(), codes


def _manifest(folder: Path) -> dict[str, Any]:
    place = folder / MANIFEST
    try:
        document = json_object(read_plain(folder, MANIFEST), place)
    except SealError as error:
        raise SemanticError(f"{error}. {_AGAIN}") from None
    if document.get("format") != FORMAT:
        raise SemanticError(f"{place}: expected format {FORMAT}; found {document.get('format')!r:.80}. {_AGAIN}")
    return document


def _verified(folder: Path, name: str, document: dict[str, Any]) -> bytes:
    """A file that the manifest names, with its digest checked."""
    try:
        stated = stated_files(document, folder / MANIFEST).get(name)
        content = read_plain(folder, name)
    except SealError as error:
        raise SemanticError(f"{error}. {_AGAIN}") from None
    if (found := sha256(content).hexdigest()) != stated:
        raise SemanticError(f"{folder / name}: expected sha256 {stated}; found {found}. {_AGAIN}")
    return content


def _checked(config: QuantizerConfig, rows: int, weights: dict[str, torch.Tensor]) -> Quantizer:
    if set(weights) != set(_WEIGHTS) or any(value.dtype != torch.float32 for value in weights.values()):
        raise SemanticError(f"{WEIGHTS}: expected {', '.join(_WEIGHTS)} in float32; found {', '.join(sorted(weights))}")
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise SemanticError(f"{WEIGHTS}: expected finite numbers; found others")
    size = len(weights["mean"])
    width = min(size, config.fsq_width) if config.scalar else 0
    expected = {
        "mean": (size,),
        "rotation": (size, width),
        "scale": (width,),
        "books": (config.levels if config.residual else 0, config.codes, size),
    }
    for name, shape in expected.items():
        if tuple(weights[name].shape) != shape:
            raise SemanticError(f"{WEIGHTS}: expected {name} of shape {shape}; found {tuple(weights[name].shape)}")
    return Quantizer(config, rows, Frame(weights["mean"], weights["rotation"], weights["scale"]), weights["books"])
