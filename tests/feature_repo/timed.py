"""The tiny product whose posts and members have times, with features that are derived from them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.spec import Spec
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World

TIMED = {
    "post_age": {"since": "published"},
    "member_age": {"since": "joined"},
    "hour": {"clock": "hour"},
    "weekday": {"clock": "weekday"},
}
CANDIDATE = {"price": "number", "campaign": "category"}


def nodes() -> dict[str, Any]:
    """The tiny product's node types with the two times."""
    found = copy.deepcopy(tiny.DOCUMENT["nodes"])
    found["post"]["views"]["post_content"]["features"]["published"] = "time"
    found["member"]["views"]["member_profile"]["features"]["joined"] = "time"
    return found


def timed_spec(**parts: Any) -> Spec:
    """The spec of the product; ``parts`` replace its top-level keys."""
    shown = {**tiny.DOCUMENT["impressions"], "candidate_context": CANDIDATE}
    whole = {"nodes": nodes(), "impressions": shown, "time_features": TIMED, "timezone": "America/New_York"}
    return tiny.tiny_spec(**{**whole, **parts})


def times(random: np.random.Generator, count: int) -> pd.Series:
    """Times to the microsecond, a fifth of them unknown, some after the log."""
    moments = tiny.microseconds(tiny.START) + random.integers(-(10**15), 2 * tiny.DAYS * tiny.time_units.DAY, count)
    found = pd.Series(pd.to_datetime(moments, unit="us", utc=True).as_unit("us"))
    return found.where(random.random(count) < 0.8)


def open_timed(folder: Path, spec: Spec, seed: int = 0) -> World:
    """Its tables at random, three versions of each post and member, applied to a state folder of its own."""
    random, tables, state = np.random.default_rng(seed), tiny.tables(spec, folder / "tables", seed), folder / "state"
    start, span = tiny.microseconds(tiny.START), tiny.DAYS * tiny.time_units.DAY
    for name, key, values, columns in (
        ("posts", "post_id", tiny.POSTS, {"topic": "t", "title": "about", "published": times}),
        ("member_profiles", "member_id", list(tiny.MEMBERS), {"seniority": 1.0, "country": "c0", "joined": times}),
    ):
        owner = np.repeat(values, 3)
        since = start + random.integers(0, span, len(owner))
        frame = pd.DataFrame({key: owner, "valid_from": pd.to_datetime(since, unit="us", utc=True).as_unit("us")})
        for column, value in columns.items():
            frame[column] = value(random, len(owner)) if callable(value) else value
        if name == "posts":
            frame["embedding"] = [np.arange(3, dtype=np.float32)] * len(owner)
        tiny.write(tables, name, frame.assign(**({} if name == "posts" else {"written": frame["valid_from"]})))
    shown = tiny.impressions(random)
    prices = random.random(len(shown)).astype(np.float32)
    shown = shown.assign(price=np.where(prices < 0.2, np.nan, prices), campaign=random.choice(["a", "b"], len(shown)))
    tiny.write(tables, "impressions", shown)
    store = tiny.store_of(spec, state)
    tiny.apply_tables(store, spec, tables, state)
    return World(store, spec, tables, state)
