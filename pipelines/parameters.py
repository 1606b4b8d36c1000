"""Checks of pipeline parameters: Kubeflow Pipelines must not interpret, cut or refuse their text."""

from collections.abc import Iterator, Mapping
from typing import Any

_INTERPRETED = ("{{", "/kfp-workspace")
"""KFP and Argo replace ``{{...}}``; kfp.local replaces the mount path of a workspace."""
_INTERPRETED_WHEN_RECURRING = ("[[",)
"""KFP replaces ``[[ScheduledTime]]`` and others in a recurring run."""
MOST_CHARACTERS = 8_000
"""Limit for all parameters in total; KFP takes 10,000."""


class ParameterError(ValueError):
    """Raised for a value that would not reach a component unchanged; the message names the option."""


def check_parameters(values: Mapping[str, Any], options: Mapping[str, str], recurring: bool = False) -> None:
    """Check every string among the parameters' values. ``options``: the command-line option of each parameter.

    ``recurring``: the values are those of a recurring run.

    Raises ParameterError if a string would be replaced, is not printable, or all are too long in total.
    """
    length = 0
    for key, text in _texts("", values):
        option = options.get(key) or options.get(key.split(".")[0]) or key
        length += len(text)
        for part in _INTERPRETED + (_INTERPRETED_WHEN_RECURRING if recurring else ()):
            if part in text:
                raise ParameterError(
                    f"{option}: expected a text without {part!r}, which is replaced; found {text!r:.120}"
                )
        if not text.isprintable():
            raise ParameterError(f"{option}: expected a text of printable characters in UTF-8; found {text!r:.120}")
    if length > MOST_CHARACTERS:
        names = ", ".join(dict.fromkeys(options.values()))
        raise ParameterError(f"{names}: expected at most {MOST_CHARACTERS} characters in total; found {length}")


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield key, name
            yield from _texts(f"{key}.{name}" if key else name, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(key, inner)
