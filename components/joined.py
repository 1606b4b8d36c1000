"""The joined rows of what a product has served, for the steps that look at them."""

import tempfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.services import EMBEDDED, Services
from models.clock import now
from models.time_units import microseconds, moment

if TYPE_CHECKING:
    from models.spec import Spec
    from monitoring.profiles import VersionProfile
    from monitoring.watch import Log
    from serving.versions.registry import Registry

Join = Callable[[int, int, Path], dict[str, int]]


def log_of(spec: "Spec", services: Services, registry: "Registry", tables: Path) -> "Log":
    """What the product has served, and how to compare it with its versions' profiles."""
    from monitoring.profiles import compared_with
    from monitoring.watch import Log
    from serving.versions.registry import model_name

    name = model_name(spec)
    compare = compared_with(lambda version: _profile(registry, name, version))
    return Log(join_of(spec, services, tables), first_served(services, name), compare)


def join_of(spec: "Spec", services: Services, tables: Path) -> Join:
    """A function that writes ``folder/day=<day>.parquet`` for the days (UTC) from one time to another.

    Times are microseconds UTC; both days are included. It returns the counts of ``monitoring.outcomes.join``; what is
    torn counts in the span that has the noon (UTC) of its day, so once where spans are local days.
    """
    from monitoring.outcomes import join

    impressions, served = tables / f"{spec.impressions.table}.parquet", services.served
    places = outcome_places(services, spec.name)

    def join_days(first: int, last: int, folder: Path) -> dict[str, int]:
        def has_noon(day: str) -> bool:
            return first <= microseconds(datetime.fromisoformat(f"{day}T12:00:00Z")) <= last

        first_day, last_day = (moment(one).date().isoformat() for one in (first, last))
        counts = join(spec, served, places, now(), first_day, last_day, folder, impressions)
        return {**counts.to_json(), "torn": sum(torn for day, torn in counts.torn_on.items() if has_noon(day))}

    return join_days


def outcome_places(services: Services, product: str) -> list[Path | str]:
    """Where a product's outcomes are: pushed or collected ones, and on this machine the endpoint's new ones."""
    from models.outcome_parts import FOLDER, address_of

    pushed: list[Path | str] = [address_of(services.storage, product)]
    return [*pushed, services.folder / "endpoint" / FOLDER] if services.target == EMBEDDED else pushed


def _profile(registry: "Registry", name: str, version: str) -> "VersionProfile | None":
    """A version's profile; None for one that has none, or that the registry does not have any more."""
    from monitoring.profiles.version import read_profile

    if version not in registry.versions(name):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        return read_profile(registry.download(name, version, Path(scratch) / "version"))


def first_served(services: Services, model: str) -> date | None:
    """The first day (UTC) of which the served log has a file; None where it has none. Raises OSError."""
    from models.storage import files_below

    served = services.served
    if isinstance(served, Path):
        names = [path.name for path in served.glob("*.jsonl")]
    else:
        try:
            paths = [path.split("/") for path in files_below(served) if path.startswith(f"model={model}/")]
        except FileNotFoundError:
            return None
        names = [parts[2].removeprefix("day=") for parts in paths if len(parts) == 4]
    days = []
    for name in names:
        try:
            days.append(date.fromisoformat(name[:10]))
        except ValueError:  # another file
            continue
    return min(days, default=None)
