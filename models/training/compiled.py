"""torch.compile for training: the ranker's decoder, the part that is arithmetic on tensors and nothing else."""

import os
import shutil

import torch

from models.nn.model import Ranker
from models.training.errors import CompilerError


def compile_ranker(ranker: Ranker, device: torch.device) -> None:
    """Compile the decoder in place, for batches of any size; weights and their names stay as they are.

    The encoders stay as they are: they choose rows by value and walk trees of many shapes, so that compiling them broke
    into pieces that were compiled again and again. Raises CompilerError.
    """
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise CompilerError(
            f"training.compile: expected a C++ compiler; found no {compiler!r} on the PATH: install g++, set CXX, or "
            "set compile to false"
        )
    ranker.decode = torch.compile(ranker.decode, dynamic=True)  # type: ignore[method-assign]
