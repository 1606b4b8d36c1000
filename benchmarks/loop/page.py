"""One page with pictures: what the product earned, which versions served, what the monitor said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from io import StringIO
from pathlib import Path

import pandas as pd

from benchmarks.loop.traffic import POLICIES
from models.files import write_text

_COLORS = {
    **{"healthy": "#2a9d4a", "watch": "#9bc53d", "recalibrate": "#e9b44c", "retrain": "#e07a1f"},
    **{"roll_back": "#b5179e", "data_fault": "#c1121f", "": "#bbbbbb"},
}
_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>The loop</title><style>body{font:14px sans-serif;margin:1em;max-width:70em}table{border-collapse:collapse}"
    "td,th{padding:2px 8px;text-align:left}td:first-child{white-space:nowrap}svg{max-width:100%;height:auto}</style>"
    "<h1>The loop</h1>"
)
_TEXT = (
    "Daily CTR by the world's true probability of a click, on the same sessions: what the endpoint showed, and what "
    "popularity, a random choice and the oracle would have. Points: what the members did. Below: the versions that "
    "served, and the monitor's verdict on each day."
)
_LINES = {"ranker": "-", "popularity": "--", "random": ":", "oracle": "-."}


@dataclass
class Night:
    """What was found and done in the night after a day."""

    day: str
    state: str = ""
    cause: str = ""
    text: str = ""
    """The verdict's first findings."""
    done: list[str] = field(default_factory=list)
    promoted: bool = False
    """Whether a canary became the champion by what members did."""
    fault: str = ""
    seconds: float = 0.0


def write_page(shown: pd.DataFrame, nights: Sequence[Night], folder: Path) -> Path:
    """Write ``index.html`` and ``loop.svg``; return the page. ``shown`` has a column ``day`` (ISO-8601)."""
    picture = draw(shown, nights)
    write_text(folder / "loop.svg", picture)
    rows = "".join(_row(night, shown[shown["day"] == night.day]) for night in nights)
    head = "".join(f"<th>{name}</th>" for name in ("day", "sessions", "CTR", *POLICIES, "verdict", "fault", "done"))
    picture = picture[picture.index("<svg") :]
    page = f"{_HEAD}<p>{_TEXT}</p>{picture}<table><tr>{head}</tr>{rows}</table></html>"
    path = folder / "index.html"
    write_text(path, page)
    return path


def draw(shown: pd.DataFrame, nights: Sequence[Night]) -> str:
    """The picture as SVG; the same input gives the same bytes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    by_day = shown.groupby("day")
    days, means = list(map(str, by_day.groups)), by_day[["clicked", *POLICIES]].mean()
    shares = shown.groupby(["day", "version"]).size().unstack(fill_value=0)
    shares = shares.div(shares.sum(axis=1), axis=0)
    places, of_day = range(len(days)), {night.day: night for night in nights}
    with matplotlib.rc_context({"svg.hashsalt": "heliograph", "font.size": 9}):
        figure, (rates, versions, states) = pyplot.subplots(
            3, 1, figsize=(10, 7.5), sharex=True, height_ratios=(4, 1.5, 1.5), layout="constrained"
        )
        for policy in POLICIES:
            rates.plot(places, means[policy], _LINES[policy], label=policy)
        rates.plot(places, means["clicked"], ".", color="C0", label="clicks of the members")
        rates.set_ylabel("CTR")
        rates.legend(ncols=5, fontsize=8)
        below = pd.Series(0.0, index=shares.index)
        for version in sorted(map(str, shares), key=int):
            versions.bar(places, shares[version], bottom=below, label=f"version {version}", width=1.0)
            below += shares[version]
        versions.set_ylabel("sessions")
        versions.legend(ncols=8, fontsize=7, loc="lower left")
        for place, day in enumerate(days):
            night = of_day.get(day, Night(day))
            states.bar([place], 1.0, color=_COLORS[night.state], width=1.0)
            text = "  ".join(part for part in (night.fault and f"[{night.fault}]", night.cause) if part)
            states.text(place, 0.03, text, rotation=90, ha="center", va="bottom", fontsize=6)
        states.set_yticks([])
        states.set_ylabel("verdict")
        states.set_xticks(places, days, rotation=90)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    return out.getvalue()


def _row(night: Night, shown: pd.DataFrame) -> str:
    rates = [f"{shown[name].mean():.3f}" if len(shown) else "" for name in ("clicked", *POLICIES)]
    cause = f'<span title="{escape(night.text)}">{escape(night.cause)}</span>'
    verdict = f'<b style="color:{_COLORS[night.state]}">{night.state}</b> {cause}'
    cells = (night.day, len(shown), *rates, verdict, escape(night.fault), escape("; ".join(night.done)))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
