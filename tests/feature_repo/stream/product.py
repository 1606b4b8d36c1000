"""A product whose counters use all that counters can: windows, last outcomes, recency, item features, filters."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.counters import count
from feature_repo.definitions import build
from feature_repo.stream.events import events_of_row
from feature_repo.stream.plan import TAG, EventPlan, read_plan
from feature_repo.views.events import activity_edges, events_view
from feature_repo.views.pushed import EDGES, KEYS, TIMES
from models.counters.fold import Settled, Shown, expected_column, fold, initial, keeps
from models.counters.plan import OVERALL
from models.spec import Spec
from models.spec.counter_plans import counter_plan, counter_plans
from models.time_units import DAY, SECOND, microseconds
from tests.factories import specs
from tests.feature_repo import tiny

MEMBER, POST = ("member", "member"), ("post", "post_id")
DOCUMENT = specs.document(
    name="stream",
    source={"adapter": "professional"},
    nodes={
        "member": {
            "key": "member_id",
            "views": {"member_profile": {"table": "members", "features": {"country": "category"}}},
        },
        "post": {
            "key": "post_id",
            "key_type": "string",
            "views": {"post_content": {"table": "posts", "features": {"topic": "category", "title": "text"}}},
        },
    },
    edges={
        "liked": specs.edge("likes", ("member", "member_id"), POST),
        "clicked": specs.edge("impressions", MEMBER, POST, filter={"click": [1]}),
    },
    impressions=specs.impressions(MEMBER, POST, context={"device": "category"}, outcomes=["click", "percent"]),
    tasks={"click": {"label": "click", "primary": True, "filter": {"surface": ["feed"]}}},
    measures={"share": {"column": "percent", "scale": 100}},
    counters={
        "member_counts": {
            **{"keys": ["member"], "recency": True, "last": 2},
            **{"last_exposures": 2, "compare": ["surface", "topic"], "residual": True},
        },
        "member_surface_counts": {
            "keys": ["member", "surface"],
            "window": "160s",
            "filter": {"device": ["phone"]},
            "residual": True,
        },
        "post_counts": {"keys": ["item"], "rates": [], "window": "16s", "last_exposures": 1},
        "topic_counts": {"keys": ["topic"], "last": 3, "rates": ["share"], "last_exposures": 3, "compare": ["item"]},
    },
    residuals={"delay": "100s", "smoothing": 3, "within_days": 2},
    windows=specs.windows(train=4, validate=2),
    model={"activities": 3},
)
TOPICS = {"p1": "sport", "p2": "music", "p3": None}
START = microseconds(tiny.START) + 5 * DAY


def spec_of(served: str | None = None) -> Spec:
    """The product's spec; ``served``: the column of the impressions with the ids of served ones."""
    return specs.spec_of({**DOCUMENT, "impressions": {**DOCUMENT["impressions"], "served": served}}, "stream.yaml")


def add_text_column(file: Path, name: str) -> None:
    """Add a text column to a table without rows."""
    table = pq.read_table(file)
    pq.write_table(table.append_column(name, pa.array([], pa.string())), file)


def impression(
    number: int, member: int, post: str, shown: int, settled: int | None, click: int = 0, percent: int = 0,
    **others: str,
) -> dict[str, Any]:  # fmt: skip
    """A row of the impressions, in the feed on a phone unless ``others`` say otherwise.

    Times are seconds since START; without a settled time there are no outcomes.
    """
    done = settled is not None
    return {
        "impression_id": 2**53 + number,
        "member": member,
        "post_id": post,
        "surface": "feed",
        "time": START + shown * SECOND,
        "settled_time": START + settled * SECOND if settled is not None else None,
        "device": "phone",
        "click": click if done else None,
        "percent": percent if done else None,
        **others,
    }


def like(member: int, post: str, time: int) -> dict[str, Any]:
    """A row of the likes."""
    return {"member_id": member, "post_id": post, "time": START + time * SECOND}


def shown_only(row: Mapping[str, Any]) -> dict[str, Any]:
    """The impression as it is pushed when nothing has come of it yet."""
    return {**row, "settled_time": None, "click": None, "percent": None}


def write_tables(folder: Path, impressions: Iterable[Mapping[str, Any]], likes: Iterable[Mapping[str, Any]]) -> None:
    """The canonical tables of these rows (all impressions settled), of members and posts, and the counters' tables."""
    columns = list(impression(0, 1, "p1", 0, 1))
    shown = pd.DataFrame([dict(row) for row in impressions], columns=columns)
    for column in ("impression_id", "member", "click", "percent"):
        shown[column] = shown[column].astype("int64")
    liked = pd.DataFrame([dict(row) for row in likes], columns=list(like(1, "p1", 0)))
    liked["member_id"] = liked["member_id"].astype("int64")
    for frame, times in ((shown, ("time", "settled_time")), (liked, ("time",))):
        for column in times:
            frame[column] = pd.to_datetime(frame[column].astype("int64"), unit="us", utc=True).astype(
                "datetime64[us, UTC]"
            )
    tiny.write(folder, "impressions", shown)
    tiny.write(folder, "likes", liked)
    posts = [{"post_id": post, "valid_from": tiny.START, "topic": topic, "title": ""} for post, topic in TOPICS.items()]
    tiny.write(folder, "posts", pd.DataFrame(posts))
    members = [{"member_id": member, "valid_from": tiny.START, "country": "c"} for member in (1, 2)]
    tiny.write(folder, "members", pd.DataFrame(members))
    count(spec_of(), folder, folder)


def views_of(spec: Spec, folder: Path) -> dict[str, Any]:
    """Feast's views of the product by name; the tables are empty."""
    write_tables(folder, [], [])
    return {item.name: item for item in build(spec, str(folder), str(folder))}


def plan_text(views: Mapping[str, Any], table: str) -> str:
    """The JSON plan of a table."""
    return str(views[events_view(table)].tags[TAG])


def snapshot_counts(
    spec: Spec, rows: Iterable[tuple[str, Mapping[str, Any]]], cut: int, **same: Any
) -> dict[str, tuple[int, int]]:
    """By rate the sum of outcomes and their number, of the impressions settled before a cut with these values."""
    settled = {row["impression_id"]: row for table, row in rows if table == "impressions" and row["settled_time"]}
    found = {}
    for rate in counter_plan(spec, OVERALL).rates:
        some = [row[rate.column] for row in settled.values() if row["settled_time"] < cut and keeps(rate.filter, row)
                and all(row[column] == value for column, value in same.items())]  # fmt: skip
        found[rate.name] = (sum(some), len(some))
    return found


def explained(
    spec: Spec, rows: Sequence[tuple[str, Mapping[str, Any]]], row: Mapping[str, Any]
) -> dict[str, int | None]:
    """Expected outcomes of an impression in millionths, from what had settled before the last visible midnight."""
    cut, pseudo = (row["time"] - 1 - spec.residuals.delay_span) // DAY * DAY, spec.residuals.smoothing
    overall = snapshot_counts(spec, rows, cut)
    each = [snapshot_counts(spec, rows, cut, **{c: row[c]}) for c in ("post_id", "surface")]
    found: dict[str, int | None] = {}
    for rate in counter_plan(spec, OVERALL).rates:
        total, number = overall[rate.name]
        mean = total * 1_000_000 // (rate.scale * number) if number else 0
        both = [
            (some[rate.name][0] * 1_000_000 + pseudo * rate.scale * mean)
            // (rate.scale * (some[rate.name][1] + pseudo))
            for some in each
        ]
        found[expected_column(rate.name)] = min(max(sum(both) - mean, 0), 1_000_000) if number else None
    return found


def truth(
    spec: Spec, plan_texts: Mapping[str, str], rows: Iterable[tuple[str, Mapping[str, Any]]], until: int
) -> dict[tuple[str, tuple[Any, ...]], tuple[int, dict[str, Any]]]:
    """(view, keys) -> (time of the last event, state) after all events of the rows strictly before ``until``, in order.

    By ``fold`` and by sorting: nothing of the stream's own way.
    """
    rows = list(rows)
    changes: dict[Any, dict[Any, Shown | Settled]] = {}
    activities: dict[Any, set[Any]] = {}
    edges = sorted((edge for group in activity_edges(spec).values() for edge in group), key=lambda edge: edge.place)
    for table, row in rows:
        plan: EventPlan = read_plan(plan_texts[table])
        attributes = {"topic": TOPICS[row["post_id"]], **explained(spec, rows, row)} if plan.impressions else {}
        for event in events_of_row(plan, {**row, **attributes}):
            if event.entry[0] >= until:
                continue
            if event.entry[1] >= 0:
                activities.setdefault(event.member, set()).add(event.entry)
            for moved in event.changes:
                changes.setdefault((moved.view, moved.keys), {})[event.entry] = moved.event
    found: dict[Any, Any] = {}
    for (view, keys), events in changes.items():
        counter = counter_plans(spec)[view]
        state: Any = initial(counter)
        for _, change in sorted(events.items(), key=lambda pair: pair[0]):
            state = fold(counter, state, change)
        found[view, keys] = (max(entry[0] for entry in events), state)
    for member, entries in activities.items():
        last = sorted(entries)[-spec.model.activities :]
        lists = {EDGES: [edges[e[1]].name for e in last], KEYS: [str(e[2]) for e in last], TIMES: [e[0] for e in last]}
        found["recent_activities", (member,)] = (last[-1][0], lists)
    return found
