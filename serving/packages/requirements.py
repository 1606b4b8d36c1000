"""Requirements of a package, pinned to the versions installed here: what was tested is what is shipped."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from serving.packages.errors import PackageError

_OURS = "heliograph"


def pinned(server: str) -> list[str]:
    """``name==version``, sorted, of what serving and a server's distribution need, without heliograph.

    Raises PackageError if one of them is not installed.
    """
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(f"{_OURS}[serve]"), Requirement(server)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        requirement = (name, frozenset(wanted.extras))
        if requirement not in seen:
            seen.add(requirement)
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
    """What a distribution with these extras requires on this platform."""
    for line in distribution(wanted.name).requires or []:
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *wanted.extras}):
            yield need
