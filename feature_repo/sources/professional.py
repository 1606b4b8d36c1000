"""Adapter ``professional``: a simulated professional network (``feature_repo.sources.world``) as canonical tables.

Options: ``size`` (tiny, default, large) and ``seed``. The simulation covers the spec's windows.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from feature_repo.sources.errors import SourceError
from models.spec import Spec
from models.spec.base import Value
from models.time_units import DAY

TABLES: dict[str, tuple[str, ...]] = {
    "members": ("member_id", "valid_from", "industry", "seniority", "country", "open_to_work", "profile_vector"),
    "creators": ("creator_id", "valid_from", "creator_industry", "creator_vector"),
    "companies": ("company_id", "valid_from", "company_industry", "company_size", "company_vector"),
    "posts": ("post_id", "creator_id", "valid_from", "post_format", "post_vector"),
    "jobs": ("job_id", "company_id", "valid_from", "job_seniority", "job_vector"),
    "notifications": ("notification_id", "valid_from", "notification_kind", "notification_vector"),
    "notification_posts": ("notification_id", "post_id", "creator_id", "time"),
    "notification_jobs": ("notification_id", "job_id", "time"),
    "feed_events": ("event_id", "member_id", "post_id", "action", "time", "strength"),
    "job_events": ("event_id", "member_id", "job_id", "action", "time"),
    "connections": ("member_id", "connection_id", "time"),
    "follows": ("member_id", "creator_id", "time"),
    "impressions": (
        "impression_id", "member_id", "notification_id", "surface", "time", "settled_time",
        "channel_kind", "clicked", "engaged",
    ),
    "oracle": ("impression_id", "probability"),
}  # fmt: skip


def check_options(options: Mapping[str, Value]) -> None:
    """Raise SourceError for options other than ``size`` and ``seed``, or invalid values."""
    from feature_repo.sources.world.size import SIZES

    unknown = sorted(set(options) - {"size", "seed"})
    if unknown:
        raise SourceError(f"source.options: expected size and seed; found {unknown[0]!r}")
    size, seed = options.get("size", "default"), options.get("seed", 7)
    if size not in SIZES:
        raise SourceError(f"source.options.size: expected one of {', '.join(SIZES)}; found {size!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise SourceError(f"source.options.seed: expected a whole number of 0 or more; found {seed!r}")


def read(spec: Spec, data: Path | None) -> dict[str, pd.DataFrame]:
    """Simulate the world of the spec's options; return what a company would have in its tables.

    Raises SourceError for unknown options, or if a folder of raw data is given: this source has none.
    """
    from feature_repo.sources.world import SIZES, observe, simulate

    if data is not None:
        raise SourceError(
            f"source professional: expected no raw data (the world is simulated); found {data}. Leave DATA out"
        )
    check_options(spec.source.options)
    size, seed = spec.source.options.get("size", "default"), int(spec.source.options.get("seed", 7))
    start, end = spec.span("graph").start, spec.span("test").end
    world = simulate(SIZES[str(size)], (end - start) // DAY, seed)
    tables = observe(world, start, seed)
    return {name: tables[name].loc[:, list(columns)] for name, columns in TABLES.items()}
