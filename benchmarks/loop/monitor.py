"""The monitor's verdict on a day of the loop, from the served log and the outcomes that came back."""

import pyarrow.parquet as pq

from benchmarks.loop.product import LoopProduct
from models import outcome_parts
from models.clock import now
from monitoring.days import DaySummary, summarize
from monitoring.monitors import Settings, judge
from monitoring.outcomes import join
from monitoring.verdict import Verdict
from monitoring.verdicts import write_verdict


class Monitor:
    """Judges one day after the other, as the component ``monitor`` does, without the pages."""

    def __init__(self, product: LoopProduct) -> None:
        self._product = product
        self._days: list[DaySummary] = []
        self._verdicts: list[Verdict] = []

    def judge(self, day: str) -> Verdict:
        """Join and judge a day (ISO-8601) whose outcomes have settled; keep the verdict where `act` reads it."""
        product, spec = self._product, self._product.spec
        folder, storage = product.folder / "joined", str(product.state.resolve())
        outcomes = outcome_parts.address_of(storage, spec.name)
        table = product.tables() / f"{spec.impressions.table}.parquet"
        counts = join(spec, product.state / "endpoint" / "served", outcomes, now(), day, day, folder, table)
        summary = summarize(spec, pq.read_table(folder / f"day={day}.parquet"), day, counts.to_json())
        settings = Settings(fewest_rows=spec.monitoring.fewest_rows)
        verdict = judge(spec, summary, self._days, self._verdicts, settings, product.roles())
        self._days.append(summary)
        self._verdicts.append(verdict)
        write_verdict(storage, spec.name, verdict)
        return verdict
