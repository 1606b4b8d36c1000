"""Imports Feast in half the time, without typeguard's run-time checks of its classes.

Feast decorates its classes with typeguard's ``typechecked``, which parses and rewrites each method at import: nearly
half of the import's time (``python -X importtime -c "import feast"``), in every process of a pipeline. What it would
check are the types of our own calls, which mypy checks.
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
