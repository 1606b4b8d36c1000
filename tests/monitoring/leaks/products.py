"""Training sets with twenty honest columns, and what the screen says of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.spec import Spec
from monitoring.leaks.screen import screen
from tests.factories import specs

CLEAN = {f"clean{place}": "category" if place % 4 == 3 else "number" for place in range(20)}


def spec_of(
    known: list[str] | None = None,
    sampled: dict[str, Any] | None = None,
    counters: dict[str, Any] | None = None,
    **context: str,
) -> Spec:
    """The spec of ``rows_of`` with these columns, texts as the item's; ``sampled``: its sampled negatives."""
    more = {} if sampled is None else {"sample_negatives": sampled}
    texts = {name: kind for name, kind in context.items() if kind == "text"}
    given = {name: kind for name, kind in (CLEAN | context).items() if kind != "text"}
    view = {"content": {"table": "contents", "time": "published", "features": texts}}
    nodes = {"member": {"key": "member_id"}, "item": {"key": "item_id", "views": view if texts else {}}}
    shown = specs.impressions(context=given, known_at_request=known or [], **more)
    windows = specs.windows(graph=2, train=6, validate=3)
    return specs.spec_of(specs.document(nodes=nodes, impressions=shown, windows=windows, counters=counters))


def rows_of(rows: int = 3000, members: int = 200, strength: float = 1.6, seed: int = 0) -> pd.DataFrame:
    """A training set with twenty honest columns: rates of member and item, a strong context, categories, noise."""
    random = np.random.default_rng(seed)
    member, item = random.integers(0, members, rows), random.integers(0, 50, rows)
    taste, quality = random.normal(0, strength, members), random.normal(0, strength, 50)
    strong = random.normal(0, strength, rows)
    logit = taste[member] + quality[item] + strong - 1.5
    frame = pd.DataFrame({"impression_id": range(rows), "member_id": member, "item_id": item, "surface": "feed"})
    frame["time"] = pd.date_range("2026-01-03", "2026-01-11T23:00", periods=rows, tz="UTC").as_unit("us")
    frame["settled_time"] = frame["time"] + pd.Timedelta("1h")
    frame["window"] = np.where(frame["time"] < pd.Timestamp("2026-01-09", tz="UTC"), "train", "validate")
    frame["click"] = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype("int8")
    frame["like"] = ((random.random(rows) < 0.1) & (frame["click"] == 1)).astype("int8")
    before = frame.groupby("member_id")["click"].cumsum() - frame["click"]
    signals = [taste[member], quality[item], strong, before, frame.groupby("member_id").cumcount()]
    for place, (name, kind) in enumerate(CLEAN.items()):
        if kind == "category":
            frame[name] = random.choice(np.array(["a", "b", None], dtype=object), rows)
        else:
            frame[name] = signals[place] if place < 3 else random.random(rows)
    frame["clean4"], frame["clean5"], frame["clean6"] = signals[3], signals[4], np.nan
    return frame.rename(columns={"member_id": "member", "item_id": "item"})


def screened(frame: pd.DataFrame, spec: Spec, folder: Path) -> dict[str, Any]:
    """The screen's answer for a training set of these rows."""
    shown = spec.impressions
    names = {"impression_id": shown.key, "member": shown.member.column, "item": shown.item.column}
    frame.rename(columns=names).to_parquet(folder / "impressions.parquet", index=False)
    return screen(spec, folder)
