"""Adapter ``professional``: a simulated professional network (``feature_repo.sources.world``) as canonical tables.

Options: ``size`` (tiny, default, large), ``seed``, ``start`` (first day, such as "2026-03-02"; default: that of the
windows, or 2026-03-02 where they have no dates) and ``days`` (default: as many as the windows have).

With a folder of raw data nothing is simulated: it has the world's tables in parts, one a day, as
``python -m feature_repo.sources.export`` writes them.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pandas as pd

from feature_repo.sources.errors import SourceError
from feature_repo.sources.parts import read_parts
from models.spec import Spec
from models.spec.base import LONGEST_DAYS, Value

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


_OPTIONS = ("size", "seed", "start", "days")
_FIRST_DAY = date(2026, 3, 2)


def check_options(options: Mapping[str, Value]) -> None:
    """Raise SourceError for options other than ``_OPTIONS``, or invalid values."""
    from feature_repo.sources.world.size import SIZES

    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise SourceError(f"source.options: expected {', '.join(_OPTIONS)}; found {unknown[0]!r}")
    size, seed = options.get("size", "default"), options.get("seed", 7)
    if size not in SIZES:
        raise SourceError(f"source.options.size: expected one of {', '.join(SIZES)}; found {size!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise SourceError(f"source.options.seed: expected a whole number of 0 or more; found {seed!r}")
    days, start = options.get("days", 1), options.get("start", _FIRST_DAY.isoformat())
    if not isinstance(days, int) or isinstance(days, bool) or not 0 < days <= LONGEST_DAYS:
        raise SourceError(f"source.options.days: expected a whole number from 1 to {LONGEST_DAYS}; found {days!r}")
    if _day(start) is None:
        raise SourceError(f'source.options.start: expected a text such as "{_FIRST_DAY}"; found {start!r}')


def read(spec: Spec, data: Path | None) -> dict[str, pd.DataFrame]:
    """Simulate the world of the spec's options, or read its parts; return what a company would have in its tables.

    Raises SourceError for unknown options, or for a folder that does not have the parts.
    """
    if data is not None:
        return read_parts(data, TABLES)
    return simulated(spec)


def simulated(spec: Spec) -> dict[str, pd.DataFrame]:
    """The tables of the simulated world. Raises SourceError for unknown options."""
    from feature_repo.sources.world import SIZES, observe, simulate

    options = spec.source.options
    check_options(options)
    size, seed = options.get("size", "default"), int(options.get("seed", 7))
    world = simulate(SIZES[str(size)], int(options.get("days", spec.windows.days)), seed)
    tables = observe(world, spec.midnight(first_day(spec)), seed)
    return {name: tables[name].loc[:, list(columns)] for name, columns in TABLES.items()}


def first_day(spec: Spec) -> date:
    """The simulation's first day."""
    given = _day(spec.source.options.get("start"))
    return given or (_FIRST_DAY if spec.windows.rolling else spec.windows.first_day)


def _day(value: object) -> date | None:
    """A day as ISO-8601 text; None for anything else."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
