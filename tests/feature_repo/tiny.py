"""A product of a few members and items with hand-written tables: all that Feast's side needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.applied import pushed_folder
from feature_repo.apply import apply
from feature_repo.counters import count
from feature_repo.store import open_store, project_of
from models import time_units
from models.spec import Spec
from models.time_units import microseconds
from tests.factories.tiny import DOCUMENT as DOCUMENT
from tests.factories.tiny import MEMBER as MEMBER
from tests.factories.tiny import POST as POST
from tests.factories.tiny import tiny_spec as tiny_spec

CONFIG = Path(__file__).resolve().parents[2] / "feature_repo" / "feature_store.yaml"
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAYS = 10
MEMBERS, POSTS, COMPANIES = range(1, 6), ["p1", "p2", "p3"], (7, 8)
SURFACES = ("feed", "email")


def write(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """Write one canonical table: times in microseconds UTC, vectors as list<float32>."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(index, field.name, table[field.name].cast(pa.timestamp("us", tz="UTC")))
        elif pa.types.is_null(field.type):  # strings, where there is no row
            table = table.set_column(index, field.name, table[field.name].cast(pa.string()))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{name}.parquet")


def tables(spec: Spec, folder: Path, seed: int = 0) -> Path:
    """Write every table that the spec names: two versions a member, 120 impressions with counters, likes."""
    random = np.random.default_rng(seed)
    profiles = [
        {"member_id": m, "valid_from": START + day * DAY, "written": START + day * DAY, "seniority": m + day / 10,
         "country": None if m == 2 else f"c{m % 2}"}
        for m in MEMBERS
        for day in (0, 4)
    ]  # fmt: skip
    write(folder, "member_profiles", pd.DataFrame(profiles).sort_values(["valid_from", "member_id"]))
    recent = [{"member_id": m, "valid_from": START + 2 * DAY, "streak": 10.0 * m} for m in MEMBERS]
    write(folder, "member_recent", pd.DataFrame(recent))
    posts = [
        {"post_id": p, "valid_from": START, "topic": f"t{i}", "title": f"about {p}",
         "embedding": np.arange(3, dtype=np.float32) + i}
        for i, p in enumerate(POSTS)
    ]  # fmt: skip
    write(folder, "posts", pd.DataFrame(posts))
    companies = [{"company_id": c, "valid_from": START, "size": float(c)} for c in COMPANIES]
    write(folder, "companies", pd.DataFrame(companies))
    write(folder, spec.impressions.table, impressions(random))
    count(spec, folder, folder)
    write(folder, "likes", likes())
    return folder


def impressions(random: np.random.Generator, count: int = 120) -> pd.DataFrame:
    """Impressions over all days, some of them exactly at midnight (where counters change), keys out of time order."""
    offset = random.integers(0, DAYS * time_units.DAY, count)
    offset[::10] -= offset[::10] % time_units.DAY
    shown = pd.to_datetime(microseconds(START) + np.sort(offset), unit="us", utc=True).as_unit("us")
    frame = {
        # Larger than 2**53: a float on the way would change them.
        "impression_id": random.permutation(count) + 2**53 + 1,
        "member": random.choice(np.array([*MEMBERS, 99]), count),
        "post_id": random.choice(np.array(POSTS), count),
        "surface": random.choice(np.array(SURFACES), count),
        "time": shown,
        "settled_time": shown + timedelta(minutes=10),
        "place": random.integers(0, 9, count),
        "device": random.choice(np.array(["phone", "web"]), count),
        "click": random.integers(0, 2, count),
    }
    return pd.DataFrame(frame)


def likes() -> pd.DataFrame:
    """A like a member on the second day, two at the same moment."""
    moments = pd.to_datetime(
        [microseconds(START + DAY + timedelta(hours=m // 2)) for m in MEMBERS], unit="us", utc=True
    )
    posts = [POSTS[m % len(POSTS)] for m in MEMBERS]
    return pd.DataFrame({"member_id": list(MEMBERS), "post_id": posts, "time": moments.as_unit("us")})


def vectors(folder: Path, width: int = 4) -> Path:
    """A folder of vectors as the embed step writes it."""
    folder.mkdir(parents=True, exist_ok=True)

    def lists(count: int, base: float) -> pa.Array:
        rows = [[base + row + column / 8 for column in range(width)] for row in range(count)]
        return pa.array(rows, pa.list_(pa.float32()))

    count = len(MEMBERS)
    member = {
        "key": pa.array(MEMBERS, pa.int64()),
        "member_tokens": lists(count, 0.0),
        "activity_tokens": lists(count, 100.0),
        "activity_times": pa.array([[microseconds(START)] * row for row in range(count)], pa.list_(pa.int64())),
        "activity_edges": pa.array([["reacted"] * row for row in range(count)], pa.list_(pa.string())),
        "activity_keys": pa.array([["p1"] * row for row in range(count)], pa.list_(pa.string())),
        "as_of": pa.array([microseconds(START + 8 * DAY)] * count, pa.int64()),
    }
    item = {
        "key": pa.array(POSTS),
        "item_tokens": lists(len(POSTS), 50.0),
        "item_creator": pa.array([f"c{place}" for place in range(len(POSTS))]),
        "item_neighbours": pa.array(["[]"] * len(POSTS)),
        "as_of": pa.array([START + 8 * DAY] * len(POSTS), pa.timestamp("us", tz="UTC")),
    }
    pq.write_table(pa.table(member), folder / "member.parquet")
    pq.write_table(pa.table(item), folder / "item.parquet")
    return folder


def store_of(spec: Spec, state: Path) -> Any:
    """The embedded store of a product in a state folder."""
    return open_store(CONFIG, state, project_of(spec.name))


def apply_tables(store: Any, spec: Spec, tables: Path, state: Path) -> None:
    """Apply tables on this machine, with the pushed views' files in a state folder."""
    apply(store, spec, tables, str(tables.resolve()), pushed_of(store, state))


def pushed_of(store: Any, state: Path) -> str:
    """Address of the pushed views' files in a state folder."""
    return pushed_folder(str(state.resolve()), store.project)
