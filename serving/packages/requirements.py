"""The distributions that a package needs, as they are installed here: what was tested is what is shipped."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from serving.packages.errors import PackageError

_OURS = "heliograph"


def pinned(server: str) -> list[str]:
    """``name==version`` of all that heliograph and the server (a distribution) need, sorted; heliograph itself not.

    Raises PackageError where one of them is not installed.
    """
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(_OURS), Requirement(server)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        asked = (name, frozenset(wanted.extras))
        if asked not in seen:
            seen.add(asked)
            versions[name] = _version(wanted)
            waiting.extend(_needs(wanted))
    del versions[_OURS]
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def _version(wanted: Requirement) -> str:
    try:
        return distribution(wanted.name).version
    except PackageNotFoundError:
        raise PackageError(
            f"{wanted.name}: expected it in this environment; found none. Install heliograph with its extra for this "
            "server: `pip install -c constraints.txt '.[bentoml]'`, or `.[torchserve]`."
        ) from None


def _needs(wanted: Requirement) -> Iterator[Requirement]:
    """What a distribution with these extras asks for on this platform."""
    for line in distribution(wanted.name).requires or []:
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *wanted.extras}):
            yield need
