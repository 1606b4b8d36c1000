"""Quantizers that are kept from one ingest to the next, so that a code means the same for the models of all of them."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import torch

from models.files import sha256_of_json
from models.semantic.config import QuantizerConfig
from models.semantic.quantizer import Quantizer
from models.semantic.scalar import Frame
from models.storage import join, names, read_bytes, write_bytes

_log = logging.getLogger(__name__)
_FOLDER = "semantic"
_SUFFIX = ".safetensors"
_FORM = 1
"""Raised when quantizers are fitted in another way than by an earlier release."""


class KeptQuantizers:
    """Quantizers below an address; None keeps nothing."""

    def __init__(self, address: str | None) -> None:
        self._address = None if address is None else join(address, _FOLDER)

    def quantizer(self, settings: dict[str, Any], before: int, fit: Callable[[], Quantizer]) -> tuple[Quantizer, str]:
        """The kept quantizer of these settings, or what ``fit`` returns, and its digest in hex.

        ``before``: the start of the train window, microseconds UTC: one that was fitted later has seen rows of it, and
        is kept for those that use it. Raises what ``fit`` raises.
        """
        name = sha256_of_json({"form": _FORM, **settings})
        found = next(filter(None, (self._read(other) for other in self._fitted(name, before))), None)
        if found is None:
            found = fit()
            self._write(_file(name, before), found)
        return found, digest(found)

    def _fitted(self, name: str, before: int) -> list[str]:
        """Files of the settings that were fitted to what is before ``before``, the newest first."""
        files = [] if self._address is None else names(self._address)
        ours = [file for file in files if file.startswith(name) and file.endswith(_SUFFIX)]
        return [file for file in reversed(ours) if file <= _file(name, before)]

    def _read(self, name: str) -> Quantizer | None:
        from safetensors import SafetensorError
        from safetensors.torch import load

        address = join(str(self._address), name)
        try:
            arrays = load(read_bytes(address))
            rows = int(arrays["rows"][0])
            text = bytes(arrays["config"].tolist()).decode()
            config = QuantizerConfig(**_parsed(text))
            frame, books = Frame(arrays["mean"], arrays["rotation"], arrays["scale"]), arrays["books"]
        except FileNotFoundError:
            return None
        except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
            _log.warning("%s: cannot be read (%s); the quantizer is fitted again", address, str(error)[:200])
            return None
        return Quantizer(config, rows, frame, books)

    def _write(self, name: str, quantizer: Quantizer) -> None:
        from safetensors.torch import save

        if self._address is None:
            return
        text = json.dumps(asdict(quantizer.config), sort_keys=True).encode()
        arrays = _arrays(quantizer) | {
            "rows": torch.tensor([quantizer.rows]),
            "config": torch.tensor(list(text), dtype=torch.uint8),
        }
        write_bytes(join(self._address, name), save(arrays))


def _file(name: str, before: int) -> str:
    return f"{name}-{before:020d}{_SUFFIX}"


def digest(quantizer: Quantizer) -> str:
    """SHA-256 in hex of what a code means."""
    found = sha256(sha256_of_json(asdict(quantizer.config)).encode())
    for name, values in sorted(_arrays(quantizer).items()):
        found.update(f"{name} {tuple(values.shape)}\n".encode())
        found.update(values.numpy().tobytes())
    return found.hexdigest()


def _arrays(quantizer: Quantizer) -> dict[str, torch.Tensor]:
    frame = quantizer.frame
    values = {"mean": frame.mean, "rotation": frame.rotation, "scale": frame.scale, "books": quantizer.books}
    return {name: value.contiguous() for name, value in values.items()}


def _parsed(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("expected a JSON object")
    return found
