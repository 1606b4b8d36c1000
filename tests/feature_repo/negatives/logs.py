"""Logs of clicks that are independent of everything, and what a spec needs to sample negatives for them."""

from typing import Any

import numpy as np
import pandas as pd

from models.spec import Spec
from tests.factories import specs

DAYS = 7
START = pd.Timestamp("2026-01-01", tz="UTC")
MICROSECONDS_OF_DAY = 86_400_000_000


def sampling_spec(key_type: str = "int", **sampling: Any) -> Spec:
    """The small spec, with sampled negatives; articles have a table of lives."""
    document = specs.document(
        nodes={"member": {"key": "member_id"}, "item": {"key": "item_id", "key_type": key_type}},
        impressions=specs.impressions(
            ("member", "member_id"), ("item", "item_id"), context={"place": "number"}, sample_negatives=sampling
        ),
        edges={"clicked": specs.edge("impressions", ("member", "member_id"), ("item", "item_id"))},
    )
    return specs.spec_of(document)


def random_log(
    rows: int = 4_000, members: int = 50, items: int = 200, seed: int = 0, growing: bool = False, text: bool = False
) -> dict[str, pd.DataFrame]:
    """Clicks of random members on random items among those that live; ``growing``: in proportion to clicks so far."""
    draws = np.random.default_rng(seed)
    born = np.sort(draws.integers(-MICROSECONDS_OF_DAY, DAYS * MICROSECONDS_OF_DAY, items))
    born[: items // 4] = -MICROSECONDS_OF_DAY
    time = np.sort(draws.integers(0, DAYS * MICROSECONDS_OF_DAY, rows))
    item = np.empty(rows, np.int64)
    for row, now in enumerate(time):
        alive = int(np.searchsorted(born, now))
        place = int(draws.integers(alive + (row if growing else 0)))
        item[row] = place if place < alive else item[place - alive]
    name = np.array([f"article {number}" for number in range(items)]) if text else np.arange(items) + 2**62
    key = np.array([f"click {number}" for number in range(rows)]) if text else np.arange(rows)
    return {
        "impressions": pd.DataFrame(
            {
                "impression_id": key,
                "time": _moments(time),
                "settled_time": _moments(time),
                "member_id": draws.integers(members, size=rows),
                "item_id": name[item],
                "surface": "feed",
                "place": draws.random(rows).astype(np.float32),
                "click": np.ones(rows, np.int8),
            }
        ),
        "articles": pd.DataFrame({"item_id": name, "published": _moments(born)}),
    }


def _moments(microseconds: np.ndarray) -> pd.Series:
    return pd.Series(START + pd.to_timedelta(microseconds, unit="us")).dt.as_unit("us")


def product_spec(sampling: dict[str, Any] | None, **parts: Any) -> Spec:
    """A product on ``random_log``: content of articles, counters, collaborative features, two tasks."""
    member, item = ("member", "member_id"), ("article", "item_id")
    shown = specs.impressions(
        member, item, context={"place": "number"}, outcomes=["click", "engaged"], sample_negatives=sampling
    )
    views = {"content": {"table": "articles", "time": "published", "features": {"topic": "category"}}}
    document = specs.document(
        source={"adapter": "fake"},
        nodes={"member": {"key": "member_id"}, "article": {"key": "item_id", "views": views}},
        edges={
            "skimmed": specs.edge("impressions", member, item, filter={"engaged": [0]}),
            "read": specs.edge("impressions", member, item, filter={"engaged": [1]}),
        },
        impressions={key: value for key, value in shown.items() if value is not None},
        tasks={"click": {"label": "click", "primary": True}, "engage": {"label": "engaged"}},
        counters={
            "by_member": {"keys": ["member"]},
            "by_item": {"keys": ["item"]},
            "by_pair": {"keys": ["member", "item"], "recency": True},
        },
        collaborative={"readers": {"events": ["skimmed", "read"], "outcome": ["read"]}},
        windows=specs.windows(graph=2, train=2),
        **parts,
    )
    return specs.spec_of(document)


def tasteful_log(rows: int = 4_000) -> dict[str, pd.DataFrame]:
    """``random_log``, in which members prefer one of two topics; every third click is followed by an engagement."""
    tables = random_log(rows, items=60)
    log, articles = tables["impressions"], tables["articles"]
    articles["topic"] = np.where(articles["item_id"] % 2 == 0, "even", "odd")
    other = (log["item_id"] + log["member_id"]) % 2 == 1
    log = log[~other | (np.arange(rows) % 5 == 0)].reset_index(drop=True)
    log["engaged"] = (np.arange(len(log)) % 3 == 0).astype(np.int8)
    return {"impressions": log, "articles": articles}


COLUMNS = {
    "impressions": (
        *("impression_id", "time", "settled_time", "member_id", "item_id", "surface", "place", "click", "engaged"),
    ),
    "articles": ("item_id", "published", "topic"),
}
