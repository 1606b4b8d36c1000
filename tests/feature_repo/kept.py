"""A small product on packed stores: a dated view, one that expires, one without a created time. For materialisation."""

import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from feature_repo.materialise import MaterializeResult, materialize
from feature_repo.notes import notes_of
from feature_repo.quality.last_run import NOTE
from feature_repo.store import open_store, project_of
from models.spec import Spec
from models.time_units import microseconds
from tests.factories import specs
from tests.feature_repo import tiny

START, HOUR, DAY = tiny.START, timedelta(hours=1), tiny.DAY
END = microseconds(START + 4.5 * DAY)
"""Nothing has expired, and not all has happened."""
VIEWS = ("profile", "streaks", "posts")
WRITTEN = (*VIEWS, "recent_activities")
"""What a run writes."""
KEYS = {"profile": "member_id", "streaks": "member_id", "posts": "post_id"}
TIMES = ("valid_from", "written")


class Kept(NamedTuple):
    """An applied product."""

    store: Any
    spec: Spec
    tables: Path
    state: Path

    def again(self, spec: Spec) -> "Kept":
        """The same tables with another spec."""
        tiny.apply_tables(self.store, spec, self.tables, self.state)
        return self._replace(spec=spec)

    def dump(self) -> dict[str, dict[bytes, bytes]]:
        """Every packed row, by view and key."""
        from feature_repo.packed.keys import view_prefix
        from feature_repo.stores.online.bulk import rows_of

        rows = rows_of(self.store)
        return {view: dict(rows.dump(view_prefix(self.store.project, view))) for view in WRITTEN}

    def clear(self) -> None:
        """Empty the online store, as if nothing had ever been written."""
        from feature_repo.packed.keys import view_prefix
        from feature_repo.stores.online.bulk import rows_of

        for view in WRITTEN:
            rows_of(self.store).delete(view_prefix(self.store.project, view))

    def read(self, view: str, feature: str, keys: list[Any]) -> list[Any]:
        """One feature through Feast's own online read."""
        rows = [{KEYS[view]: key} for key in keys]
        return self.store.get_online_features(features=[f"{view}:{feature}"], entity_rows=rows).to_dict()[feature]

    def write(self, view: str, *rows: tuple[Any, ...]) -> None:
        """Replace a view's table."""
        write(self.tables, view, *rows)

    def run(self, until: int = END, **options: Any) -> MaterializeResult:
        """Materialise what a request at ``until`` may see."""
        return materialize(self.store, self.spec, until, **options)

    def records(self) -> dict[str, dict[str, Any]]:
        """What the runs have written down of each view."""
        return notes_of(self.store).read(NOTE) or {}


def kept_spec(**views: dict[str, Any]) -> Spec:
    """The product's spec; parts of views can be added or replaced by view name."""
    document = copy.deepcopy({**tiny.DOCUMENT, "counters": {}})
    profile = {"table": "profile", "created": "written", "features": {"points": "number", "country": "category"}}
    member = {"profile": profile, "streaks": {"table": "streaks", "ttl_days": 3, "features": {"streak": "number"}}}
    posts = {"table": "posts", "features": {"visits": "number"}}
    document["nodes"]["member"]["views"] = {name: {**view, **views.get(name, {})} for name, view in member.items()}
    document["nodes"]["post"]["views"] = {"posts": {**posts, **views.get("posts", {})}}
    return specs.spec_of(document)


def write(tables: Path, view: str, *rows: tuple[Any, ...]) -> None:
    """Write a view's table; rows are (key, valid_from[, written], features ...) with times as days since the start."""
    columns = {
        "profile": ["member_id", "valid_from", "written", "points", "country"],
        "streaks": ["member_id", "valid_from", "streak"],
        "posts": ["post_id", "valid_from", "visits"],
    }[view]
    frame = pd.DataFrame([list(row) for row in rows], columns=columns)
    for name in TIMES:
        if name in frame:
            frame[name] = pd.to_datetime([moment(day) for day in frame[name]], utc=True).as_unit("us")
    if not rows:
        frame = frame.astype({"posts": {"post_id": str, "visits": float}, "streaks": {"member_id": int}}.get(view, {}))
    tiny.write(tables, view, frame)


def moment(day: float) -> datetime:
    """A moment by its days since the start."""
    return START + day * DAY


def at(day: float) -> int:
    """The same in microseconds UTC."""
    return microseconds(moment(day))


def open_kept(folder: Path, spec: Spec | None = None, online: dict[str, Any] | None = None) -> Kept:
    """The product with a few rows, applied to a state folder of its own."""
    spec = spec or kept_spec()
    settings = yaml.safe_load(tiny.CONFIG.read_text(encoding="utf-8"))
    packed = {"type": "feature_repo.stores.online.PackedSqliteOnlineStore", "path": str(folder / "online.db")}
    settings["online_store"] = online or packed
    settings["project"] = project_of(spec.name)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "feature_store.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    tables, state = folder / "tables", folder / "state"
    write(tables, "profile", *((m, day, day, m + day / 10, f"c{m % 2}") for m in tiny.MEMBERS for day in (0, 4)))
    write(tables, "streaks", *((m, 2, 10.0 * m) for m in tiny.MEMBERS))
    write(tables, "posts", *((p, day, day * 100.0 + i) for i, p in enumerate(tiny.POSTS) for day in range(6)))
    companies = pd.DataFrame([{"company_id": 7, "valid_from": START, "size": 1.0}])
    tiny.write(tables, "companies", companies)
    tiny.write(tables, "impressions", tiny.impressions(np.random.default_rng(0)))
    tiny.write(tables, "likes", tiny.likes())
    store = open_store(config, state)
    tiny.apply_tables(store, spec, tables, state)
    return Kept(store, spec, tables, state)


def full_run(product: Kept) -> dict[str, dict[bytes, bytes]]:
    """What one full run into an empty store leaves."""
    product.clear()
    materialize(product.store, product.spec, END, noted=False)
    return product.dump()
