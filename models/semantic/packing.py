"""Codes as bytes: as few bits for each as its range needs, and whole bytes for each branch of a key."""

import numpy as np
import torch

from models.semantic.config import QuantizerConfig
from models.semantic.errors import SemanticError
from models.semantic.quantizer import Codes


def bytes_per_key(config: QuantizerConfig, scalars: int) -> int:
    """Bytes of one key's codes with ``scalars`` rounded dimensions: 36 at 3 codes of 1,024 and 64 of 16 levels."""
    residual = -(-config.levels * bits(config.codes) // 8) if config.residual else 0
    return residual + (-(-scalars * bits(config.fsq_levels) // 8) if config.scalar else 0)


def bits(codes: int) -> int:
    """Bits of a code that is one of ``codes``."""
    return (codes - 1).bit_length()


def pack(codes: Codes, config: QuantizerConfig) -> np.ndarray:
    """(n, bytes) uint8. Raises SemanticError for a key without codes: it has no bytes, so it needs no row."""
    parts = []
    for name, found, most in (("residual", codes.residual, config.codes), ("scalar", codes.scalar, config.fsq_levels)):
        values = found.numpy().astype(np.int64)
        if values.size and not (values.min() >= 1 and values.max() <= most):
            wrong = int(np.flatnonzero(((values < 1) | (values > most)).any(axis=1))[0])
            raise SemanticError(
                f"codes: expected {name} codes from 1 to {most}; found others in row {wrong}. Leave keys without a "
                "vector out"
            )
        flags = (values[:, :, None] - 1 >> np.arange(bits(most))) & 1
        parts.append(np.packbits(flags.reshape(len(values), -1).astype(np.uint8), axis=1, bitorder="little"))
    return np.concatenate(parts, axis=1)


def unpack(packed: np.ndarray, config: QuantizerConfig, scalars: int) -> Codes:
    """The inverse of ``pack`` for (n, bytes) uint8. Raises SemanticError for another number of bytes."""
    expected = bytes_per_key(config, scalars)
    if packed.ndim != 2 or packed.shape[1] != expected:
        raise SemanticError(f"codes: expected {expected} bytes for each key; found the shape {packed.shape}")
    levels = config.levels if config.residual else 0
    middle = -(-levels * bits(config.codes) // 8)
    residual = _unpacked(packed[:, :middle], levels, bits(config.codes))
    scalar = _unpacked(packed[:, middle:], scalars if config.scalar else 0, bits(config.fsq_levels))
    if residual.size and residual.max() > config.codes:
        raise SemanticError(f"codes: expected residual codes from 1 to {config.codes}; found {residual.max()}")
    return Codes(torch.from_numpy(residual).int(), torch.from_numpy(scalar).to(torch.uint8))


def _unpacked(packed: np.ndarray, columns: int, width: int) -> np.ndarray:
    """(n, columns) int64 from 1, of ``width`` bits each."""
    flags = np.unpackbits(packed, axis=1, count=columns * width, bitorder="little")
    values = flags.reshape(len(packed), columns, width).astype(np.int64)
    return (values << np.arange(width)).sum(axis=2) + 1
