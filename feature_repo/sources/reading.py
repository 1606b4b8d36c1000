"""Run an adapter's own code: whatever it raises is one sentence that names the adapter, the file and the line."""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.sources.errors import AdapterError
from models.spec import Spec
from models.system import is_ours, system_error

if TYPE_CHECKING:
    import pandas as pd


def read(
    spec: Spec, reader: Callable[[Spec, Path | None], "dict[str, pd.DataFrame]"], data: Path | None
) -> "dict[str, pd.DataFrame]":
    """The tables of an adapter's ``read``. Raises SourceError, an AdapterError for what its own code raises."""
    name, module = spec.source.adapter, sys.modules.get(getattr(reader, "__module__", ""))
    with explained(name, "read(spec, data)", getattr(module, "__file__", None)):
        found = reader(spec, data)
    if not isinstance(found, dict):
        raise AdapterError(
            f"adapter {name}: expected read(spec, data) to return a dict of table -> DataFrame; found "
            f"{type(found).__name__}. Fix the adapter"
        )
    return found


@contextmanager
def explained(name: str, expected: str, file: str | None = None) -> Iterator[None]:
    """Raise AdapterError for an exception of the block, unless its message says by itself what to do.

    ``file``: the adapter's; the line is the last one in it, or the last one at all.
    """
    try:
        yield
    except Exception as error:
        if is_ours(error) or isinstance(error, ModuleNotFoundError):
            raise
        found = " ".join(str(error).split())[:300]
        sentence = f"adapter {name}: expected {expected} without an error; found {type(error).__name__}"
        sentence += f"{f': {found}' if found else ''} ({_place(error, file)}). Fix the adapter or its data"
        # An error of the system would be shown in this one's place; the message has it.
        raise AdapterError(sentence) from (None if system_error(error) else error)


def _place(error: Exception, file: str | None) -> str:
    """File and line, relative to the working folder where it is in it."""
    if isinstance(error, SyntaxError) and error.filename:
        path, line = error.filename, error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if frame.filename == file), frames[-1])
        path, line = last.filename, last.lineno
    shown = Path(path)
    return f"{shown.relative_to(Path.cwd()) if shown.is_relative_to(Path.cwd()) else shown}, line {line}"
