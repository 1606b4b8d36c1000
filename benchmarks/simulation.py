"""Time to simulate the default world: about 300,000 impressions; bar: 30 s on 2 cores."""

import sys
import time
from pathlib import Path

from benchmarks.table import show
from feature_repo.sources import adapter
from models.spec import load_spec


def main() -> int:
    """Simulate the default world once, in memory; return 1 where the bar does not hold."""
    spec = load_spec(Path(__file__).resolve().parent.parent / "configs" / "professional.yaml")
    started = time.perf_counter()
    tables = adapter(spec.source.adapter).read(spec, None)
    seconds = time.perf_counter() - started
    rows = sum(len(table) for table in tables.values())
    figures = {"seconds": seconds, "impressions": len(tables["impressions"]), "rows": rows}
    return show("simulation", figures, {"seconds_at_most_30": seconds <= 30})


if __name__ == "__main__":
    sys.exit(main())
