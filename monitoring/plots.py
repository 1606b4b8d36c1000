"""Plots of the report as inline SVG, without external fonts, images or scripts."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COLORS = {
    "candidate": "#2456d6",
    "network": "#7b5cd6",
    "trees": "#b0508f",
    "champion": "#c2620c",
    "popularity": "#7a8599",
    "oracle": "#12876a",
}
"""Color of each scorer in every plot and table of the report."""
INK, GRID = "#3b4453", "#e3e7ee"
_SETTINGS = {
    "svg.hashsalt": "heliograph",
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


def roc_plot(curves: Mapping[str, Mapping[str, Sequence[float]]], name: str) -> str:
    """ROC curves by scorer (``calibration.roc``); '' if none has a point. ``name`` prefixes the ids in the SVG."""
    drawn = {scorer: curve for scorer, curve in curves.items() if curve["false_positive_rate"]}
    if not drawn:
        return ""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.2)
        for scorer, curve in drawn.items():
            axes.plot(
                curve["false_positive_rate"],
                curve["true_positive_rate"],
                color=COLORS[scorer],
                label=scorer,
                linestyle="--" if scorer == "oracle" else "-",
            )
        axes.set(
            xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.005), aspect="equal"
        )
        axes.legend(loc="lower right")

    return svg(draw, name, (4.0, 4.0))


def calibration_plot(curves: Mapping[str, Sequence[Mapping[str, float]]], name: str) -> str:
    """Observed against predicted rate by decile of each scorer (``calibration.reliability``); '' without rows."""
    drawn = {scorer: bins for scorer, bins in curves.items() if bins}
    if not drawn:
        return ""
    edge = 1.08 * max(max(part["predicted"], part["observed"]) for bins in drawn.values() for part in bins) or 1.0

    def draw(axes: Any) -> None:
        axes.plot([0, edge], [0, edge], color=GRID, linewidth=1.2)
        for scorer, bins in drawn.items():
            predicted, observed = [part["predicted"] for part in bins], [part["observed"] for part in bins]
            axes.plot(predicted, observed, color=COLORS[scorer], label=scorer, marker="o", markersize=4)
        axes.set(xlabel="predicted", ylabel="observed", xlim=(0, edge), ylim=(0, edge), aspect="equal")
        axes.legend(loc="upper left")

    return svg(draw, name, (4.0, 4.0))


def surface_plot(areas: Mapping[str, Mapping[str, float | None]], name: str) -> str:
    """AUC by surface (rows) and scorer (dots); '' if there is none."""
    known = [value for by_scorer in areas.values() for value in by_scorer.values() if value is not None]
    if not known:
        return ""
    surfaces = list(areas)

    def draw(axes: Any) -> None:
        for scorer in COLORS:
            dots = [(areas[s][scorer], row) for row, s in enumerate(surfaces) if areas[s].get(scorer) is not None]
            if dots:
                x, y = zip(*dots, strict=True)
                axes.scatter(x, y, color=COLORS[scorer], label=scorer, s=48, zorder=3)
        axes.axvline(0.5, color=GRID, linewidth=1.2)
        axes.set_yticks(range(len(surfaces)), surfaces)
        axes.set(xlabel="AUC", xlim=(min(0.48, min(known) - 0.02), min(1.01, max(known) + 0.03)))
        axes.set_ylim(len(surfaces) - 0.5, -0.5)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, handletextpad=0.2)

    return svg(draw, name, (5.2, 1.1 + 0.38 * len(surfaces)))


def curve_plot(points: Sequence[tuple[int, float]], title: str, name: str) -> str:
    """One training curve: value by step; '' without points."""
    finite = [(step, value) for step, value in points if np.isfinite(value)]
    if not finite:
        return ""

    def draw(axes: Any) -> None:
        steps, values = zip(*finite, strict=True)
        axes.plot(steps, values, color=COLORS["candidate"], marker="o" if len(finite) <= 30 else None, markersize=4)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("step")
        axes.xaxis.get_major_locator().set_params(integer=True)

    return svg(draw, name, (3.6, 2.3))


def days_plot(days: Sequence[Mapping[str, Any]], name: str) -> str:
    """Observed and predicted rate by day (``traffic.summarise``); '' without labeled days."""
    known = [day for day in days if day["ctr"] is not None]
    if not known:
        return ""

    def draw(axes: Any) -> None:
        place = np.arange(len(known))
        axes.bar(place, [day["ctr"] for day in known], width=0.55, color="#c9d5f3", label="observed")
        axes.plot(
            place,
            [day["predicted"] for day in known],
            color=COLORS["candidate"],
            marker="o",
            markersize=5,
            label="predicted",
        )
        shown = place[:: max(1, len(known) // 7)]
        axes.set_xticks(shown, [known[position]["day"][5:] for position in shown])
        axes.set_xlim(-0.6, max(len(known), 4) - 0.4)
        axes.grid(False, axis="x")
        axes.set_ylim(0, 1.25 * max(max(day["ctr"], day["predicted"]) for day in known) or 1)
        axes.legend(loc="upper right", ncols=2)

    return svg(draw, name, (5.2, 2.4))


def svg(draw: Any, name: str, inches: tuple[float, float], settings: Mapping[str, Any] | None = None) -> str:
    """Draw on one pair of axes; return the ``<svg>`` element with ids prefixed by ``name``.

    ``settings``: of matplotlib, above those of every plot.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_SETTINGS, **(settings or {})}):
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure.add_subplot())
        out = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    drawn = out.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'\bid="', f'id="{name}-', drawn)
    drawn = re.sub(r'href="#', f'href="#{name}-', drawn)
    drawn = drawn.replace("url(#", f"url(#{name}-")
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"|height="[\d.]+pt" width="[\d.]+pt"', "", drawn, count=1)
