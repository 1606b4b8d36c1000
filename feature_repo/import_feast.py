"""Imports Feast in a third of the time: without typeguard's run-time checks of its classes, and without torch.

Feast decorates its classes with typeguard's ``typechecked``, which parses and rewrites each method at import: nearly
half of the import's time (``python -X importtime -c "import feast"``), in every process of a pipeline. What it would
check are the types of our own calls, which mypy checks. A fifth is torch, which only conversions to tensors need.
"""

import sys
from types import ModuleType
from typing import Any

import typeguard

_typechecked: Any = typeguard.typechecked


def typechecked(target: Any = None, **options: Any) -> Any:
    """A class of Feast is returned unchanged, anything else is checked by typeguard as before."""
    if target is not None and target.__module__.partition(".")[0] == "feast":
        return target
    return _typechecked(target, **options)


def get_torch() -> ModuleType:
    """Import torch where Feast needs it, in place of ``feast.torch_wrapper``, which imports it at once."""
    import torch

    return torch


typeguard.typechecked = typechecked
if "feast" not in sys.modules:
    _wrapper = ModuleType("feast.torch_wrapper")
    _wrapper.get_torch = get_torch  # type: ignore[attr-defined]
    sys.modules["feast.torch_wrapper"] = _wrapper
