"""Traced decoder: TorchScript runs the decoder's roughly 200 operations without Python's interpreter lock.

In eager mode the scoring thread would need the lock for each operation, while the event loop holds it. TorchScript is
deprecated, but its successor (AOTInductor) needs a compiler on the serving machine. The trace exists in memory only;
the artifact remains weights and JSON.
"""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.nn.family import Family
from models.nn.inputs import DecoderInputs

_RUNS = 3
"""torch profiles the first run of a trace and compiles in the second; no request should wait for either."""


def traced(ranker: Family, example: Sequence[Tensor]) -> Callable[..., Tensor]:
    """The ranker's decoder for slates of any number and size, (S, C, T) logits, to 1e-6.

    ``example``: its arguments for two slates of several items.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # constants of the model become constants
        decode: Callable[..., Tensor] = torch.jit.trace(_Decoder(ranker).eval(), tuple(example), check_trace=False)
    with torch.inference_mode():
        for _ in range(_RUNS):
            decode(*example)
    return _holding(decode)


def _holding(decode: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``decode``, with its arguments kept alive until it returns by a ``torch.ScriptList``.

    When only Python still references a tensor, torch acquires the interpreter lock to record it: once per argument, in
    the middle of the operations, half a millisecond each while the event loop is busy.
    """

    def held(*arguments: Tensor) -> Tensor:
        hold = torch.ScriptList([*arguments])
        logits = decode(*arguments)
        del hold
        return logits

    return held


class _Decoder(nn.Module):
    def __init__(self, ranker: Family) -> None:
        super().__init__()
        self.ranker = ranker

    def forward(self, *arguments: Tensor) -> Tensor:
        logits: Tensor = self.ranker(DecoderInputs(*arguments))
        return logits
