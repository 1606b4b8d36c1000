from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.training import compiled
from models.training.compiled import compile_ranker
from models.training.errors import CompilerError


@pytest.mark.parametrize(("device", "compiler"), [("cpu", "sh"), ("cuda", "no-such-compiler")])
def test_the_decoder_is_compiled_for_batches_of_any_size(
    monkeypatch: pytest.MonkeyPatch, device: str, compiler: str
) -> None:
    """On a GPU the C++ compiler is not needed."""
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setattr(compiled.torch, "compile", lambda forward, **given: (forward, given))
    ranker: Any = SimpleNamespace(forward="decoder")
    compile_ranker(ranker, torch.device(device))
    assert ranker.forward == ("decoder", {"dynamic": True})


def test_a_cpu_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(compiled.torch, "compile", None)
    ranker: Any = SimpleNamespace(forward="decoder")
    with pytest.raises(CompilerError, match="found no 'no-such-compiler' on the PATH"):
        compile_ranker(ranker, torch.device("cpu"))
    assert ranker.forward == "decoder"
