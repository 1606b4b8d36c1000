"""The versions by role on a day, from what served on it; the roles of now may have begun after it."""

from collections.abc import Mapping, Sequence

from monitoring.days import DaySummary
from monitoring.monitors.context import largest_version
from monitoring.verdict import Verdict

CHAMPION, CANARY, PREVIOUS = "champion", "canary", "previous"
_NEARLY_ALL = 9
"""Times the rows of the champion of the day before."""


def roles_on(newest: DaySummary, verdicts: Sequence[Verdict], now: Mapping[str, str]) -> dict[str, str]:
    """Version by role on a day; empty if nothing is known of it.

    ``verdicts``: of days before it, and its own if it was judged before; ``now``: the roles of now. A version that has
    a role now and had it the day before had it on the day, with or without rows. If the canary of now served already,
    nothing has moved since. Else the champion is that of now if it had more than nine times the rows of the champion of
    the day before: it was promoted in the evening before, or early on the day. Else it is that of the day before if it
    served, or the version with most rows. The canary is that of the day before, or a newer version beside the champion.
    """
    served = {version: rows for version, rows in newest.traffic["versions"].items() if rows}
    before = max((one for one in verdicts if one.day < newest.day), key=lambda one: one.day, default=None)
    known = before.versions if before else {}
    same = next((one.versions for one in verdicts if one.day == newest.day), {})
    kept = {role: version for role, version in now.items() if known.get(role) == version}
    unmoved = now if now.get(CANARY) in served and now.get(CHAMPION) in served else {}
    champion = _first(
        _served(same, CHAMPION, served),
        unmoved.get(CHAMPION),
        _risen(now, known, served),
        kept.get(CHAMPION),
        _served(known, CHAMPION, served),
        largest_version(newest),
    )
    if not champion:
        return {}
    canary = _first(
        _served(same, CANARY, served), unmoved.get(CANARY), kept.get(CANARY), _served(known, CANARY, served)
    ) or _beside(champion, served)
    previous = kept.get(PREVIOUS) or _served(now, PREVIOUS, served)
    found = {CHAMPION: champion}
    for role, version in ((CANARY, canary), (PREVIOUS, previous)):
        if version and version not in found.values():
            found[role] = version
    return found


def _served(roles: Mapping[str, str], role: str, served: Mapping[str, int]) -> str:
    version = roles.get(role, "")
    return version if version in served else ""


def _risen(now: Mapping[str, str], known: Mapping[str, str], served: Mapping[str, int]) -> str:
    """The champion of now, if it had nearly all rows of the day; a canary has a smaller share."""
    version = now.get(CHAMPION, "")
    rows = served.get(version, 0)
    return (
        version
        if rows and rows == max(served.values()) and rows > _NEARLY_ALL * served.get(known.get(CHAMPION, ""), 0)
        else ""
    )


def _first(*versions: str | None) -> str:
    return next((one for one in versions if one), "")


def _beside(champion: str, served: Mapping[str, int]) -> str:
    """The version with most rows of those registered after the champion."""
    newer = [version for version in served if _number(version) > _number(champion)]
    return max(newer, key=lambda version: (served[version], version), default="")


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0
