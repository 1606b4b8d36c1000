"""Prometheus metrics of the process, exported at /metrics. Each is created at first use, once per process."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1, 0.25, 0.5, 1.0, 3.0)


@cache
def stage_seconds() -> "Histogram":
    """Seconds by stage: preprocess (parse and read), predict (score), postprocess (calibrate, rules, rank, log)."""
    from prometheus_client import Histogram

    return Histogram("heliograph_stage_seconds", "Latency of a request by stage", ["stage"], buckets=_SECONDS)


@cache
def slates() -> "Counter":
    """Slates that were returned, those of the fallback included."""
    from prometheus_client import Counter

    return Counter("heliograph_slates", "Slates that were returned", ["surface", "version"])


@cache
def predictions() -> "Counter":
    """Probabilities that the model gave to candidates; none of a fallback's."""
    from prometheus_client import Counter

    return Counter("heliograph_predictions", "Probabilities of the model", ["task", "surface", "version"])


@cache
def predicted() -> "Counter":
    """Sum of these probabilities: its increase over that of ``predictions`` is the mean."""
    from prometheus_client import Counter

    return Counter("heliograph_predicted", "Sum of the model's probabilities", ["task", "surface", "version"])


@cache
def vectors() -> "Counter":
    """Vectors of members and items by status: used, cold (missing or unusable), of_another_version (also cold)."""
    from prometheus_client import Counter

    return Counter("heliograph_vectors", "Vectors by status", ["kind", "fate", "surface", "version"])


@cache
def fallbacks() -> "Counter":
    """Slates ranked by popularity because the online store did not respond in time."""
    from prometheus_client import Counter

    text = "Slates ranked by popularity because the online store did not respond"
    return Counter("heliograph_fallbacks", text, ["surface", "version"])


@cache
def rows_ahead() -> "Counter":
    """Rows of the online store that were ignored because their time is ahead of the clock."""
    from prometheus_client import Counter

    return Counter("heliograph_rows_ahead", "Online rows ignored because they are ahead of the clock")


@cache
def stale() -> "Counter":
    """Slates ranked from something older than the spec's ``serving.max_age``, by kind."""
    from prometheus_client import Counter

    return Counter("heliograph_stale", "Slates ranked from vectors or counters that are too old, by kind", ["kind"])


@cache
def refused() -> "Counter":
    """Requests without a result, by reason: overloaded (429), late (503)."""
    from prometheus_client import Counter

    return Counter("heliograph_refused", "Requests without a result, by reason", ["reason"])


@cache
def unlogged() -> "Counter":
    """Impressions missing in the served log because the disk was too slow or failed."""
    from prometheus_client import Counter

    return Counter("heliograph_unlogged", "Impressions missing in the served log")
