"""``torch.compile`` of the ranker's decoder, the part that is tensor arithmetic alone."""

import os
import shutil

import torch

from models.nn.family import Family
from models.training.errors import CompilerError


def compile_ranker(ranker: Family, device: torch.device) -> None:
    """Compile the decoder in place, for batches of any size; weights and their names stay as they are.

    The encoders are not compiled: they choose rows by value and traverse trees of many shapes, which breaks the graph
    into pieces that are compiled again and again. Raises CompilerError if a CPU has no C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise CompilerError(
            f"training.compile: expected a C++ compiler; found no {compiler!r} on the PATH: install g++, set CXX, or "
            "set compile to false"
        )
    ranker.forward = torch.compile(ranker.forward, dynamic=True)  # type: ignore[method-assign]
