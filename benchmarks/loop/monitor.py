"""The monitor's verdict on a day of the loop, from the served log and the outcomes that came back."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from benchmarks.loop.product import LoopProduct
from models import outcome_parts
from models.clock import now
from models.time_units import moment
from monitoring.judged_days import judge_days
from monitoring.outcomes import join
from monitoring.verdict import Verdict


class Monitor:
    """Judges the days as the component ``monitor`` does, without its pages and without a pipeline run for each."""

    def __init__(self, product: LoopProduct) -> None:
        self._product, self._storage = product, str(product.state.resolve())
        self._first: date | None = None

    def judge(self, day: str) -> Verdict:
        """Judge the newest day (ISO-8601) whose outcomes have settled; the verdict is kept where `act` reads it."""
        self._first = self._first or date.fromisoformat(day)
        roles = self._product.roles()
        return judge_days(self._product.spec, self._storage, self._join, self._first, roles, now()).verdict

    def _join(self, first: int, last: int, folder: Path) -> Mapping[str, int]:
        product, spec = self._product, self._product.spec
        outcomes = outcome_parts.address_of(self._storage, spec.name)
        table = product.tables() / f"{spec.impressions.table}.parquet"
        days = [moment(time).date().isoformat() for time in (first, last)]
        served = product.state / "endpoint" / "served"
        return join(spec, served, outcomes, now(), days[0], days[1], folder, table).to_json()
