"""Trends over days as inline SVG. Colors are variables of the page's style, so that they follow light and dark mode.

The pictures have dates and numbers only: names of surfaces and versions stand beside them, escaped by the template.
"""

import datetime
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from monitoring.plots import GRID, INK, svg

SERIES = ("#2456d6", "#c2620c", "#12876a", "#8250df", "#b3367b")
"""Colors of the lines, which become ``--series-1`` ... in the page."""
_VARIABLES = {INK: "--soft", GRID: "--line", **{color: f"--series-{n}" for n, color in enumerate(SERIES, 1)}}
_SETTINGS = {"svg.fonttype": "none", "text.parse_math": False, "font.size": 10}
_INCHES = (5.0, 2.1)
Value = float | None


class Line(NamedTuple):
    """Values by day; None where there is none, which interrupts the line."""

    values: Sequence[Value]
    low: Sequence[Value] = ()
    """Ends of the interval; empty without one."""
    high: Sequence[Value] = ()


def trend(
    days: Sequence[str], lines: Sequence[Line], name: str, level: float | None = None, shares: bool = False
) -> str:
    """Draw up to five lines over the days (ISO-8601, ascending) on a shared axis; '' without a value.

    ``level``: where a thin line marks what is expected; ``shares``: the axis is in percent. ``name`` prefixes the ids
    in the SVG.
    """
    drawn = [(line, color) for line, color in zip(lines, SERIES, strict=False) if _finite(line.values)]
    if not drawn:
        return ""
    dates = [datetime.date.fromisoformat(day) for day in days]

    def draw(axes: Any) -> None:
        if level is not None:
            axes.axhline(level, color=INK, linewidth=0.8, linestyle="--")
        for line, color in drawn:
            places, values = _with_gaps(dates, line.values)
            axes.plot(places, values, color=color, marker="o", markersize=3.2)
            if line.low and line.high:
                low, high = _with_gaps(dates, line.low)[1], _with_gaps(dates, line.high)[1]
                axes.fill_between(places, low, high, color=color, alpha=0.16, linewidth=0)
                alone = _alone(values)  # a band has no width where the days before and after have none
                axes.vlines(places[alone], low[alone], high[alone], color=color, alpha=0.4, linewidth=2.5)
        if shares:
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
        _set_days(axes, dates)

    return _themed(svg(draw, name, _INCHES, _SETTINGS))


def bars(days: Sequence[str], values: Sequence[Value], part: Sequence[Value], name: str) -> str:
    """Draw bars of ``values`` over the days, and within them what ``part`` of them is; '' without a value above 0."""
    if not any(value or 0 for value in values):
        return ""
    dates = [datetime.date.fromisoformat(day) for day in days]

    def draw(axes: Any) -> None:
        places = _places(dates)
        axes.bar(places, [value or 0 for value in values], width=0.7, color=SERIES[0], alpha=0.45)
        axes.bar(places, [value or 0 for value in part], width=0.7, color=SERIES[1])
        axes.grid(False, axis="x")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        _set_days(axes, dates)

    return _themed(svg(draw, name, _INCHES, _SETTINGS))


def _finite(values: Sequence[Value]) -> bool:
    return any(value is not None and np.isfinite(value) for value in values)


def _places(dates: Sequence[datetime.date]) -> np.ndarray:
    return np.array([date.toordinal() for date in dates], float)


def _with_gaps(dates: Sequence[datetime.date], values: Sequence[Value]) -> tuple[np.ndarray, np.ndarray]:
    """Places and values, NaN between two days that do not follow each other, so that no line joins them."""
    places = _places(dates)
    found = np.array([np.nan if value is None or not np.isfinite(value) else value for value in values], float)
    breaks = [place for place, (one, other) in enumerate(pairwise(places), 1) if other - one > 1]
    return np.insert(places, breaks, places[breaks] - 0.5), np.insert(found, breaks, np.nan)


def _alone(values: np.ndarray) -> np.ndarray:
    """Which values, (days,) bool, have none before and after them."""
    known = np.isfinite(values)
    return known & ~np.r_[False, known[:-1]] & ~np.r_[known[1:], False]


def _set_days(axes: Any, dates: Sequence[datetime.date]) -> None:
    first, last = dates[0].toordinal(), dates[-1].toordinal()
    step = max(1, -(-(last - first + 1) // 6))
    shown = range(first, last + 1, step)
    axes.set_xticks(list(shown), [datetime.date.fromordinal(place).strftime("%m-%d") for place in shown])
    axes.set_xlim(first - 0.6, max(last, first + 3) + 0.6)


def _themed(picture: str) -> str:
    for color, variable in _VARIABLES.items():
        picture = picture.replace(color, f"var({variable})")
    return picture
