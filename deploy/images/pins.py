"""Whether constraints name every package that is installed, with its version. Needs the standard library only.

``python pins.py constraints.txt ...`` checks the environment that runs it, as the last step of an image's packages.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

OURS = "heliograph"


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(files: Sequence[Path]) -> dict[str, str]:
    """Package and version of each line ``name==version``; a later file replaces what an earlier one says.

    Raises ValueError for a line of another form.
    """
    found = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            text = line.partition("#")[0].partition(";")[0].strip()
            name, separator, version = text.partition("==")
            if text and not (separator and version):
                raise ValueError(f"{file}:{number}: expected name==version; found {line!r}")
            if text:
                found[canonical(name)] = version
    return found


def installed() -> dict[str, str]:
    """Package and version of what this environment holds, without Heliograph itself."""
    found = {canonical(one.metadata["Name"]): one.version for one in distributions()}
    found.pop(OURS, None)
    return found


def unpinned(found: Mapping[str, str], pinned: Mapping[str, str]) -> list[str]:
    """A sentence for each package that no constraint names, or that has another version than the constraint says.

    A constraint without a local version (``+cpu``) allows any.
    """
    wrong = []
    for name, version in sorted(found.items()):
        wanted = pinned.get(name)
        if wanted is None:
            wrong.append(f"{name} {version}: expected a constraint; found none")
        elif version != wanted and version.partition("+")[0] != wanted:
            wrong.append(f"{name} {version}: expected {wanted}")
    return wrong


def main() -> int:
    """Print what is not pinned; 1 if anything is not."""
    wrong = unpinned(installed(), pins([Path(name) for name in sys.argv[1:]]))
    if wrong:
        print(*wrong, f"Name them in one of: {' '.join(sys.argv[1:])}", sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
