"""A log of the tiny product with many ties, and versions of it that differ in what is not known yet at a moment."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tests.factories import specs
from tests.feature_repo import tiny
from tests.feature_repo.timed import CANDIDATE, TIMED, nodes

MADE = ("company", "company_id")


def parts(settled: str = "settled_time") -> dict[str, Any]:
    """The tiny product with every kind of edge and counter; outcomes are known at the column ``settled``."""
    outcome = {"time": settled, "fan_out": [3, 2]}
    seen = specs.edge("impressions", tiny.MEMBER, tiny.POST, filter={"click": [1]}, **outcome)
    member, friend = ("member", "member_id"), ("member", "friend_id")
    attributes = {"surface": "category", "dwell": "number"}
    return {
        "measures": {"dwelt": {"column": "dwell", "scale": 20}},
        "impressions": {
            **tiny.DOCUMENT["impressions"],
            "outcomes": ["click", "dwell"],
            "candidate_context": CANDIDATE,
            **({} if settled == "settled_time" else {"settled": settled}),
        },
        "edges": {
            "clicked": {**seen, "attributes": attributes},
            "skipped": {**seen, "attributes": attributes, "filter": {"click": [0]}},
            "made_by": specs.edge("makers", tiny.POST, MADE, kind="intrinsic", fan_out=[2, 2]),
            "knows": specs.edge(
                "connections", member, friend, kind="affinity", weigh_by="common_neighbours", fan_out=[2, 2]
            ),
            **tiny.DOCUMENT["edges"],
        },
        "affinities": {
            "fan_of": {"engagement": "liked", "creation": "made_by", "at_least": 2, "within_days": 3, "fan_out": [2, 1]}
        },
        "densification": {"alike": {"node": "post", "feature": "embedding", "degree_of": "liked", "fan_out": [2, 1]}},
        "counters": {
            "lately": {"keys": ["member"], "window": "1d", "last": 2, "recency": True},
            "by_topic": {"keys": ["member", "topic"], "last": 1},
            "post_lately": {"keys": ["item"], "window": "6h", "recency": True},
            "by_surface": {"keys": ["surface"], "window": "2d"},
            **tiny.DOCUMENT["counters"],
        },
        "training": {"member_lag_days": 2},
        "nodes": nodes(),
        "time_features": TIMED,
    }


SLOT = pd.Timedelta(hours=3)
SLOTS = tiny.DAYS * 8
TIMES = {
    **dict.fromkeys(("impressions", "likes", "makers", "connections"), "time"),
    **dict.fromkeys(("member_profiles", "member_recent", "posts", "companies"), "valid_from"),
}
"""Table -> when a row of it is known."""
Log = dict[str, pd.DataFrame]
Change = Callable[[Log, pd.Timestamp, int], Log]


def the_log() -> Log:
    """Three hundred impressions, settled at once to a day later; likes, connections, makers, versions."""
    random = np.random.default_rng(0)

    def moments(rows: int, first: int = 0) -> pd.Series:
        return pd.Series(pd.Timestamp(tiny.START) + np.sort(random.integers(first, SLOTS, rows)) * SLOT)

    def any_of(values: Any, rows: int) -> np.ndarray:
        return random.choice(np.array(list(values)), rows)

    def versions(key: str, values: Any, rows: int, **columns: Any) -> pd.DataFrame:
        """Each once before the log begins, then some again."""
        owner = np.concatenate([np.array(list(values)), any_of(values, rows)])
        since = pd.concat([pd.Series([pd.Timestamp(tiny.START) - SLOT] * len(values)), moments(rows)])
        filled = {name: make(len(owner)) for name, make in columns.items()}
        return pd.DataFrame({key: owner, "valid_from": since.to_numpy(), **filled})

    shown = moments(300)
    delay = any_of([0, 0, 1, 2, 8], 300) * SLOT + any_of([0, 0, 7], 300) * pd.Timedelta(seconds=1)
    impressions = {
        "impression_id": random.permutation(300) + 2**53 + 1,
        "member": any_of([*tiny.MEMBERS, 99], 300),
        "post_id": any_of(tiny.POSTS, 300),
        "surface": any_of(tiny.SURFACES, 300),
        "time": shown,
        "settled_time": shown + delay,
        "place": random.integers(0, 9, 300),
        "device": any_of(["phone", "web"], 300),
        "click": random.integers(0, 2, 300),
        "dwell": random.integers(0, 21, 300),
        **{"price": random.random(300), "campaign": any_of(["a", "b"], 300)},
    }
    columns = {"seniority": random.random, "country": lambda rows: any_of(["c0", "c1"], rows), "joined": moments}
    profiles = versions("member_id", tiny.MEMBERS, 12, **columns)
    contents = {
        "topic": lambda rows: any_of(["t0", "t1"], rows),
        "title": lambda rows: any_of(["big news", "small talk"], rows),
        "embedding": lambda rows: list(random.random((rows, 3)).astype(np.float32)),
        "published": lambda rows: moments(rows).sample(frac=1, random_state=0).to_numpy(),  # also after the version
    }
    return {
        "impressions": pd.DataFrame(impressions),
        "member_profiles": profiles.assign(written=profiles["valid_from"]),
        "member_recent": versions("member_id", tiny.MEMBERS, 12, streak=random.random),
        "posts": versions("post_id", tiny.POSTS, 6, **contents),
        "companies": versions("company_id", tiny.COMPANIES, 6, size=random.random),
        "likes": pd.DataFrame(
            {"member_id": any_of(tiny.MEMBERS, 80), "post_id": any_of(tiny.POSTS, 80), "time": moments(80)}
        ),
        "makers": pd.DataFrame(
            {"post_id": any_of(tiny.POSTS, 12), "company_id": any_of(tiny.COMPANIES, 12), "time": moments(12)}
        ),
        "connections": pd.DataFrame(
            {"member_id": any_of(tiny.MEMBERS, 30), "friend_id": any_of(tiny.MEMBERS, 30), "time": moments(30)}
        ),
    }


LOG = the_log()


def cut(log: Log, moment: pd.Timestamp, last: int) -> Log:
    """What was there when the impression ``last`` was shown at ``moment``: everything before, and itself."""
    kept = {name: frame[frame[TIMES[name]] < moment] for name, frame in log.items()}
    shown = log["impressions"]
    kept["impressions"] = shown[(shown["time"] < moment) | (shown["impression_id"] == last)]
    return kept


def turned(log: Log, moment: pd.Timestamp, last: int) -> Log:
    """Every outcome that had not settled before ``moment``, also that of ``last``: another one, known later."""
    shown = log["impressions"]
    still_open = shown["settled_time"] >= moment
    other = shown.assign(click=1 - shown["click"], dwell=20 - shown["dwell"], settled_time=shown["settled_time"] + SLOT)
    return {**log, "impressions": shown.where(~still_open, other).astype(shown.dtypes)}
