"""Counts of the tables decide what the spec leaves open; spec_of puts it in."""

from datetime import timedelta

import numpy as np
import pandas as pd

from feature_repo.sources.size import DECIDED, as_json, data_size, decisions, from_json
from feature_repo.sources.windows import spec_of
from models.spec.decisions import open_keys
from tests.feature_repo import tiny

SPEC = tiny.tiny_spec()


def _tables(rows: int = 300) -> dict[str, pd.DataFrame]:
    shown = tiny.impressions(np.random.default_rng(0), rows)
    return {"impressions": shown, "likes": tiny.likes()}


def test_counts_are_those_of_the_train_window() -> None:
    tables = _tables()
    shown, span = tables["impressions"], SPEC.span("train")
    start, end = (pd.Timestamp(time, unit="us", tz="UTC") for time in span)
    train = shown[(shown["time"] >= start) & (shown["time"] < end)]
    found = data_size(SPEC, tables)
    assert (found.rows, found.members) == (len(train), train["member"].nunique())
    assert found.activities == 1.0  # one like a member
    assert found.new_items == 0.0
    none = pd.concat([shown.assign(post_id="p9")[lambda rows: rows["time"] >= end], train])
    assert data_size(SPEC, {**tables, "impressions": none}).new_items == 1.0
    assert found.new_members == 0.0
    late = pd.concat([shown.assign(member=77)[lambda rows: rows["time"] >= end], train])
    assert data_size(SPEC, {**tables, "impressions": late}).new_members == 1.0
    assert data_size(SPEC, {**tables, "impressions": train}).new_members == 0.0
    late = tables["likes"].assign(time=end + timedelta(hours=1))
    assert data_size(SPEC, {**tables, "likes": late}).activities == 0.0
    more = pd.concat([tables["likes"], *[tables["likes"].assign(time=start)[:1]] * 8])
    assert data_size(SPEC, {**tables, "likes": more}).activities == 1.0
    many = pd.concat([tables["likes"], *[tables["likes"].assign(time=start)[:2]] * 8])
    assert data_size(SPEC, {**tables, "likes": many}).activities == 9.0


def test_what_is_decided_reaches_the_spec_through_the_manifest() -> None:
    found = decisions(SPEC, _tables())
    assert set(found) == set(open_keys(SPEC))
    assert from_json(as_json(found)) == found
    resolved = spec_of(SPEC, {DECIDED: as_json(found)})
    assert not open_keys(resolved)
    assert resolved.model.activities == 10
    assert resolved.nodes["post"].id_buckets == 64  # three posts, each with many rows of train
    assert spec_of(SPEC, {}) == SPEC
    given = tiny.tiny_spec(by_data={})
    assert decisions(given, _tables()) == {}


def test_without_rows_everything_is_decided_all_the_same() -> None:
    empty = {name: frame[:0] for name, frame in _tables().items()}
    found = decisions(SPEC, empty)
    assert found["nodes.post.id_buckets"].value == 0
    assert found["training.batch_size"].value == 512
