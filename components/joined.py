"""The joined rows of what a product has served, for the steps that look at them."""

from pathlib import Path
from typing import TYPE_CHECKING

from components.services import EMBEDDED, Services
from components.step import Step
from models.clock import now
from models.time_units import moment

if TYPE_CHECKING:
    from monitoring.outcomes import OutcomeCounts


def join_days(step: Step, tables: Path, first: int, folder: Path) -> "OutcomeCounts":
    """Write ``folder/day=<day>.parquet`` for every day (UTC) from the time ``first`` (microseconds UTC) to today."""
    from monitoring.outcomes import join

    time, impressions = now(), tables / "impressions.parquet"
    first_day, last_day = (moment(one).date().isoformat() for one in (min(first, time), time))
    places = outcome_places(step.services, step.spec.name)
    served = step.services.served
    return join(step.spec, served, places, time, first_day, last_day, folder, impressions)


def outcome_places(services: Services, product: str) -> list[Path | str]:
    """Where a product's outcomes are: pushed or collected ones, and on this machine the endpoint's new ones."""
    from feature_repo.outcomes.store import FOLDER, address_of

    pushed: list[Path | str] = [address_of(services.storage, product)]
    return [*pushed, services.folder / "endpoint" / FOLDER] if services.target == EMBEDDED else pushed
