"""The chart of a study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.studies.evaluation import Estimate


@dataclass(frozen=True)
class Panel:
    """One set of axes: a difference with its interval for every name."""

    title: str
    names: Sequence[str]
    estimates: Sequence[Estimate]
    joined: bool = False
    """Whether names are consecutive steps from left to right, joined by a line; otherwise a vertical list."""


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Write the panels side by side as SVG; the output is deterministic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tallest = max((len(panel.names) for panel in panels if not panel.joined), default=8)
    size = (5.0 * len(panels) + 1.5, 1.4 + 0.3 * max(tallest, 6))
    with matplotlib.rc_context({"svg.hashsalt": "heliograph", "font.size": 9}):
        figure, axes = pyplot.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
        for axis, panel in zip(axes[0], panels, strict=True):
            known = [place for place, one in enumerate(panel.estimates) if not math.isnan(one.value)]
            values = [panel.estimates[place].value for place in known]
            below = [max(panel.estimates[place].value - panel.estimates[place].low, 0.0) for place in known]
            above = [max(panel.estimates[place].high - panel.estimates[place].value, 0.0) for place in known]
            ends = [[0.0 if math.isnan(end) else end for end in side] for side in (below, above)]
            places = range(len(panel.names))
            if panel.joined:
                axis.errorbar(known, values, yerr=ends, fmt="o-", capsize=3)
                axis.set_xticks(places, panel.names)
            else:
                axis.errorbar(values, known, xerr=ends, fmt="o", capsize=3)
                axis.locator_params(axis="x", nbins=6)
                axis.set_yticks(places, panel.names)
                axis.invert_yaxis()
            (axis.axhline if panel.joined else axis.axvline)(0.0, color="grey", linewidth=0.8)
            axis.set_title(panel.title)
            axis.grid(alpha=0.3)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)
