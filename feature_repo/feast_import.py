"""Feast is imported in half the time: its classes are left as they are written.

Feast decorates its classes with typeguard's ``typechecked``, which parses and rewrites each method at import: 2.4 of
5.2 s, in every process of a pipeline. What it would check are the types of our own calls, which mypy checks.
"""

from typing import Any

import typeguard

_typechecked: Any = typeguard.typechecked


def typechecked(target: Any = None, **options: Any) -> Any:
    """A class of Feast is returned unchanged, anything else is checked by typeguard as before."""
    if target is not None and target.__module__.partition(".")[0] == "feast":
        return target
    return _typechecked(target, **options)


typeguard.typechecked = typechecked
