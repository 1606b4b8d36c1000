"""A folder that is there whole, or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.packages.errors import PackageError


@contextmanager
def written_whole(output: Path) -> Iterator[Path]:
    """An empty folder beside ``output`` that becomes ``output`` when the block ends well.

    Raises PackageError where ``output`` exists.
    """
    if output.exists():
        raise PackageError(f"{output}: expected no such folder yet; found one. Choose another or remove it.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as beside:
        draft = Path(beside) / "draft"
        draft.mkdir()
        yield draft
        draft.rename(output)
