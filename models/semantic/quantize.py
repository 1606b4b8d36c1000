"""Quantize the vectors of a Parquet file into a folder: the quantizer, and the codes of every key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from models.files import new_folder
from models.semantic.artifact import CODES, PACKED, write_quantizer
from models.semantic.config import QuantizerConfig
from models.semantic.errors import SemanticError
from models.semantic.measures import use
from models.semantic.packing import bytes_per_key, pack
from models.semantic.quantizer import ROWS_PER_CODE, Codes, Quantizer, fit_quantizer
from models.semantic.vectors import VectorFile

_MOST_NUMBERS = 1 << 28
"""Of the vectors that a fit holds: 1 GiB."""
Say = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def quantize(
    file: VectorFile, config: QuantizerConfig, folder: Path, say: Say, start: Quantizer | None = None
) -> dict[str, Any]:
    """Fit a quantizer to the vectors of ``file`` and write it with every key's codes to ``folder``, a new one.

    Returns keys, keys without a vector, bytes per key, and by level the perplexity and the dead codes. Rows without a
    vector have no codes and are not written. ``start``: the quantizer to begin with. Raises SemanticError.
    """
    if folder.exists():
        raise SemanticError(f"{folder}: expected no such folder yet; found one. Choose another, or remove it")
    say("check", 0, file.rows)
    known, size = file.check()
    sample = _sample(file, known, size, config)
    whole = config.levels * config.iterations if config.residual else 1
    quantizer = fit_quantizer(sample, config, start, lambda done: say("fit", done, whole))
    with new_folder(folder) as fresh:
        codes = _write(file, quantizer, fresh / CODES, say)
        notes = _notes(file, quantizer, codes)
        write_quantizer(quantizer._replace(rows=known), fresh, notes, (CODES,))
    return notes


def _sample(file: VectorFile, known: int, size: int, config: QuantizerConfig) -> torch.Tensor:
    """The vectors that a fit reads: all, or as many as it needs, drawn by the seed."""
    most = max(min(ROWS_PER_CODE * config.codes, _MOST_NUMBERS // size), config.codes)
    chosen = np.arange(known)
    if known > most:
        chosen = np.sort(np.random.default_rng(config.seed).choice(known, most, replace=False))
    parts, first = [], 0
    for batch in file.batches():
        end = first + len(batch.vectors)
        low, high = np.searchsorted(chosen, [first, end])
        parts.append(batch.vectors[torch.from_numpy(chosen[low:high] - first)])
        first = end
    return torch.cat([part for part in parts if len(part)])


def _write(file: VectorFile, quantizer: Quantizer, path: Path, say: Say) -> Codes:
    """Write the codes of every key with a vector; returns them."""
    width = bytes_per_key(quantizer.config, len(quantizer.frame.scale))
    schema = pa.schema([file.schema.field(file.key), (PACKED, pa.binary(width))])
    if file.key == PACKED:
        raise SemanticError(f"--key: expected another name than {PACKED!r}; found it. Rename the column")
    found = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in file.batches():
            codes = quantizer.encode(batch.vectors) if len(batch.vectors) else None
            if codes is not None:
                packed = pack(codes, quantizer.config)
                column = pa.FixedSizeBinaryArray.from_buffers(
                    pa.binary(width), len(packed), [None, pa.py_buffer(packed.tobytes())]
                )
                writer.write_table(
                    pa.Table.from_arrays([batch.keys.filter(pa.array(batch.known)), column], schema=schema)
                )
                found.append(codes)
            say("encode", batch.first + len(batch.keys), file.rows)
    return Codes(torch.cat([one.residual for one in found]), torch.cat([one.scalar for one in found]))


def _notes(file: VectorFile, quantizer: Quantizer, codes: Codes) -> dict[str, Any]:
    config = quantizer.config
    width = bytes_per_key(config, len(quantizer.frame.scale))
    levels, scalars = use(codes.residual, config.codes), use(codes.scalar, config.fsq_levels)
    return {
        "key": file.key,
        "vector": file.vector,
        "keys": len(codes.residual),
        "without_vector": file.rows - len(codes.residual),
        "size": quantizer.size,
        "bytes_per_key": width,
        "smaller": round(4 * quantizer.size / width, 1),
        "perplexity": [round(one.perplexity, 1) for one in levels],
        "dead": [one.dead for one in levels],
        "scalar_perplexity": round(float(np.mean([one.perplexity for one in scalars])), 2) if scalars else None,
    }
