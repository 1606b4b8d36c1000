"""Random histories of the tiny product: few distinct moments, so that ties and expiries are the rule."""

from datetime import timedelta
from typing import NamedTuple

import pyarrow as pa
from hypothesis import strategies as st

from models.time_units import microseconds
from tests.feature_repo import tiny

TIME, NUMBER = pa.timestamp("us", "UTC"), pa.float64()
KINDS: dict[str, dict[str, pa.DataType]] = {
    "member_profiles": {
        "member_id": pa.int64(),
        "valid_from": TIME,
        "written": TIME,
        "seniority": NUMBER,
        "country": pa.string(),
        "joined": TIME,
    },
    "member_recent": {"member_id": pa.int64(), "valid_from": TIME, "streak": NUMBER},
    "posts": {
        "post_id": pa.string(),
        "valid_from": TIME,
        "topic": pa.string(),
        "title": pa.string(),
        "embedding": pa.list_(pa.float32()),
        "published": TIME,
    },
    "impressions": {
        "impression_id": pa.int64(),
        "time": TIME,
        "settled_time": TIME,
        "member": pa.int64(),
        "post_id": pa.string(),
        "surface": pa.string(),
        "place": pa.int64(),
        "device": pa.string(),
        "click": pa.int64(),
    },
}
"""The columns of the tables and their Arrow types, empty or not."""
MEMBERS, POSTS, SURFACES, TOPICS = [1, 2, 99], ["p1", "p2", "none"], ["feed", "email"], ["x", "ü"]
ORIGIN = microseconds(tiny.START)
MINUTE = 60_000_000
TTL = timedelta(days=3) // timedelta(microseconds=1)
# Few distinct moments, microseconds, panes or exactly one TTL apart: ties and expiries are the rule.
MOMENTS = st.sampled_from([0, 1, 2, MINUTE, MINUTE + 1, 17 * MINUTE, TTL, TTL + 1, TTL + 2])
MEMBER, POST, SURFACE = (st.sampled_from(values[:2]) for values in (MEMBERS, POSTS, SURFACES))


class History(NamedTuple):
    """What happened, in microseconds since the origin."""

    profiles: list[tuple[int, int, int]]
    """(member, time, created)"""
    recent: list[tuple[int, int]]
    """(member, time)"""
    posts: list[tuple[str, int, str | None]]
    """(post, time, topic); it was published at twice that time, and never without a topic"""
    shown: list[tuple[int, int, int, str, str, int]]
    """(time, wait for the outcome, member, post, surface, click)"""


HISTORIES = st.builds(
    History,
    st.lists(st.tuples(MEMBER, MOMENTS, st.integers(0, 3)), unique=True, max_size=8),
    st.lists(st.tuples(MEMBER, MOMENTS), unique=True, max_size=6),
    st.lists(st.tuples(POST, MOMENTS, st.none() | st.sampled_from(TOPICS)), unique_by=lambda row: row[:2], max_size=6),
    st.lists(
        st.tuples(MOMENTS, st.sampled_from([0, 1, MINUTE]), MEMBER, POST, SURFACE, st.integers(0, 1)), max_size=10
    ),
)


def tables_of(history: History) -> dict[str, pa.Table]:
    """The tables of a history: values tell the rows apart."""
    profiles = [
        {
            "member_id": member,
            "valid_from": ORIGIN + time,
            "written": ORIGIN + created,
            "seniority": row,
            "country": "ü",
            "joined": ORIGIN - 3 * time - row,
        }
        for row, (member, time, created) in enumerate(history.profiles)
    ]
    recent = [
        {"member_id": member, "valid_from": ORIGIN + time, "streak": row}
        for row, (member, time) in enumerate(history.recent)
    ]
    posts = [
        {
            "post_id": post,
            "valid_from": ORIGIN + time,
            "topic": topic,
            "title": (post, "", None, "ü\n東")[row % 4],  # missing is not empty
            "embedding": [row, -0.0, 1e-30],
            "published": None if topic is None else ORIGIN + 2 * time,
        }
        for row, (post, time, topic) in enumerate(history.posts)
    ]
    shown = [
        {"impression_id": row, "time": ORIGIN + time, "settled_time": ORIGIN + time + wait, "member": member,
         "post_id": post, "surface": surface, "place": 0, "device": "web", "click": click}
        for row, (time, wait, member, post, surface, click) in enumerate(history.shown)
    ]  # fmt: skip
    rows = {"member_profiles": profiles, "member_recent": recent, "posts": posts, "impressions": shown}
    return {name: pa.Table.from_pylist(rows[name], pa.schema(kinds.items())) for name, kinds in KINDS.items()}
