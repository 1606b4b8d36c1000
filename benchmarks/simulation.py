"""Time to simulate the default world (bar: 30 s on 2 cores for about 300,000 impressions)."""

import time
from pathlib import Path

from benchmarks.table import show
from feature_repo.sources import adapter
from models.spec import load_spec


def main() -> None:
    """Simulate the default world once, in memory."""
    spec = load_spec(Path(__file__).resolve().parent.parent / "configs" / "professional.yaml")
    started = time.perf_counter()
    tables = adapter(spec.source.adapter).read(spec, None)
    seconds = time.perf_counter() - started
    rows = sum(len(table) for table in tables.values())
    show("simulation", {"seconds": seconds, "impressions": len(tables["impressions"]), "rows": rows})


if __name__ == "__main__":
    main()
