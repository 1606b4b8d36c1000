"""The joined rows of what a product has served, for the steps that look at them."""

import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from components.services import EMBEDDED, Services
from components.step import Step
from models.clock import now
from models.time_units import moment

if TYPE_CHECKING:
    from monitoring.watch import Log

Join = Callable[[int, int, Path], dict[str, int]]


def log_of(step: Step, tables: Path) -> "tuple[Log, dict[str, str]]":
    """What the product has served, compared with the champion's profile, and the versions that serve, by role."""
    from components.acting import roles
    from monitoring.profiles import compared_with, read_profile
    from monitoring.watch import Log
    from serving.versions.registry import Registry, model_name

    registry, name = Registry(step.services.tracking_uri), model_name(step.spec)
    versions = roles(registry, name)
    champion, profile = versions.get("champion", ""), None
    if champion:
        with tempfile.TemporaryDirectory() as scratch:
            profile = read_profile(registry.download(name, champion, Path(scratch) / "champion"))
    return Log(join_of(step, tables), first_served(step.services, name), compared_with(champion, profile)), versions


def join_of(step: Step, tables: Path) -> Join:
    """A function that writes ``folder/day=<day>.parquet`` for the days (UTC) from one time to another.

    Times are microseconds UTC; both days are included. It returns the counts of ``monitoring.outcomes.join``.
    """
    from monitoring.outcomes import join

    impressions, served = tables / f"{step.spec.impressions.table}.parquet", step.services.served
    places = outcome_places(step.services, step.spec.name)

    def join_days(first: int, last: int, folder: Path) -> dict[str, int]:
        first_day, last_day = (moment(one).date().isoformat() for one in (first, last))
        return join(step.spec, served, places, now(), first_day, last_day, folder, impressions).to_json()

    return join_days


def outcome_places(services: Services, product: str) -> list[Path | str]:
    """Where a product's outcomes are: pushed or collected ones, and on this machine the endpoint's new ones."""
    from models.outcome_parts import FOLDER, address_of

    pushed: list[Path | str] = [address_of(services.storage, product)]
    return [*pushed, services.folder / "endpoint" / FOLDER] if services.target == EMBEDDED else pushed


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
