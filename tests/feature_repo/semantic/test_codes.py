"""Codes by cut: of what was strictly before it, by a quantizer that saw nothing of the train window."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save

from feature_repo.semantic import semantic_tables
from feature_repo.semantic.codes import means
from feature_repo.semantic.events import events_of
from models.semantic.errors import SemanticError
from models.spec import Spec
from tests.factories import specs

POSTS = {"key": "post_id", "key_type": "string"}
MEMBERS, DAYS = 40, 8
START = pd.Timestamp("2026-01-01", tz="UTC")


def spec_of(size: int = 3, **block: Any) -> Spec:
    edges = {
        "clicked": specs.edge("impressions", specs.MEMBER, specs.ITEM),
        "read": specs.edge("reads", specs.MEMBER, ("post", "post_id"), filter={"kind": ["read"]}, weight="strength"),
        "liked": specs.edge("likes", specs.MEMBER, ("post", "post_id")),
    }
    view = {"table": "posts", "features": {"text": f"vector[{size}]"}}
    nodes = {"member": {"key": "member_id"}, "item": {"key": "item_id"}, "post": {**POSTS, "views": {"content": view}}}
    given = {"node": "member", "events": ["read", "liked"], "vector": "text", "levels": 2, "codes": 4, **block}
    return specs.spec_of(specs.document(nodes=nodes, edges=edges, semantic_ids={"tastes": given}))


def tables(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Reads and likes of all days, some at midnight; a post without a vector, rows without a key."""
    random = np.random.default_rng(seed)
    posts = pd.DataFrame({"post_id": [f"p{place}" for place in range(10)], "valid_from": START - pd.Timedelta("1d")})
    posts["text"] = [random.normal(size=3).astype(np.float32) for _ in range(9)] + [None]

    def rows(count: int) -> pd.DataFrame:
        hours = np.sort(random.integers(0, 24 * DAYS, count))
        hours[::7] -= hours[::7] % 24
        return pd.DataFrame(
            {
                "member": pd.array([None, *random.integers(0, MEMBERS, count - 1)], "Int64"),
                "post_id": random.choice(posts["post_id"], count),
                "time": (START + pd.to_timedelta(hours, "h")).astype("datetime64[us, UTC]"),
            }
        )

    reads = rows(600).assign(kind=random.choice(["read", "seen"], 600), strength=random.uniform(0.5, 2, 600))
    return {"posts": posts, "reads": reads, "likes": rows(200)}


def table_of(spec: Spec, given: dict[str, pd.DataFrame], kept: Path | None = None) -> pd.DataFrame:
    frames, _ = semantic_tables(spec, given, str(kept) if kept else None)
    return frames["semantic_tastes"]


def quantizer_of(spec: Spec, given: dict[str, pd.DataFrame], kept: Path | None = None) -> str:
    _, facts = semantic_tables(spec, given, str(kept) if kept else None)
    return str(facts["tastes"]["quantizer"])


def test_a_mean_is_that_of_all_events_strictly_before_its_cut() -> None:
    spec, given = spec_of(), tables()
    events = events_of(spec, "tastes", given)
    vectors = given["posts"].set_index("post_id")["text"]
    read = given["reads"][given["reads"]["kind"] == "read"]
    rows = pd.concat([read, given["likes"].assign(strength=1.0)]).dropna(subset=["member"])
    rows = rows[rows["post_id"] != "p9"]
    cut = START + pd.Timedelta("3d")
    (found,) = means(events, [cut.value // 1000])
    for node, vector in zip(found.node, found.vectors, strict=True):
        own = rows[(rows["member"] == events.keys[node]) & (rows["time"] < cut)]
        expected = np.average(np.stack(vectors[own["post_id"]]), axis=0, weights=own["strength"])
        np.testing.assert_allclose(vector, expected, rtol=1e-5)
    assert len(found.node) == rows[rows["time"] < cut]["member"].nunique()


def test_a_row_is_visible_after_the_delay_and_only_what_changed_is_written() -> None:
    found = table_of(spec_of(delay="2h"), tables())
    assert list(found.columns) == ["member_id", "valid_from", "tastes_code_1", "tastes_code_2", "tastes_levels"]
    hours = (found["valid_from"] - START) / pd.Timedelta("1h")
    assert set(hours) == {24 * day + 2 for day in range(1, DAYS + 1)}
    assert not found.duplicated(["member_id", "valid_from"]).any()
    assert found["tastes_levels"].map(len).eq(3).all()


@pytest.mark.parametrize("day", range(3, DAYS))
def test_a_truncated_log_changes_nothing_before_the_cut(day: int) -> None:
    whole, cut = tables(), START + pd.Timedelta(day, "d")
    short = {**whole, **{name: whole[name][whole[name]["time"] < cut] for name in ("reads", "likes")}}
    expected = table_of(spec_of(), whole)
    expected = expected[expected["valid_from"] <= cut + pd.Timedelta("3h")].reset_index(drop=True)
    pd.testing.assert_frame_equal(table_of(spec_of(), short), expected)


def test_the_quantizer_sees_nothing_of_the_train_window() -> None:
    given, other = tables(), tables()
    late = other["reads"]["time"] >= START + pd.Timedelta("1d")  # train begins on day 2, and a cut is visible after 3 h
    other["reads"].loc[late, "post_id"] = "p0"
    assert quantizer_of(spec_of(), given) == quantizer_of(spec_of(), other)
    other["reads"]["post_id"] = "p0"
    assert quantizer_of(spec_of(), given) != quantizer_of(spec_of(), other)


def test_a_kept_quantizer_is_used_again_and_codes_of_another_are_other_texts(tmp_path: Path) -> None:
    first = quantizer_of(spec_of(), tables(), tmp_path)
    assert quantizer_of(spec_of(), tables(seed=1), tmp_path) == first
    assert quantizer_of(spec_of(), tables(seed=1)) != first
    assert table_of(spec_of(), tables(seed=1), tmp_path)["tastes_code_1"].str.startswith(f"{first[:8]}:").all()
    assert quantizer_of(spec_of(seed=2), tables(), tmp_path) != first


def test_one_that_was_fitted_to_the_train_window_is_not_and_stays_for_those_that_use_it(tmp_path: Path) -> None:
    spec = spec_of()
    later = spec.starting(spec.windows.first_day + pd.Timedelta("2d"))
    seen = quantizer_of(later, tables(), tmp_path)
    assert quantizer_of(spec, tables(), tmp_path) == quantizer_of(spec, tables()) != seen
    assert quantizer_of(later, tables(seed=1), tmp_path) == seen
    assert len(list((tmp_path / "semantic").iterdir())) == 2


@pytest.mark.parametrize("damage", [lambda raw: raw[:100], lambda _: save({"rows": torch.tensor([1])})])
def test_a_damaged_one_is_not(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    expected = quantizer_of(spec_of(), tables(), tmp_path)
    (path,) = (tmp_path / "semantic").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert quantizer_of(spec_of(), tables(), tmp_path) == expected


def test_vectors_of_another_size_get_a_quantizer_of_their_own(tmp_path: Path) -> None:
    seen = quantizer_of(spec_of(), tables(), tmp_path)
    given = tables()
    given["posts"]["text"] = given["posts"]["text"].map(lambda vector: vector if vector is None else vector[:2])
    assert quantizer_of(spec_of(size=2), given, tmp_path) != seen


def test_a_vector_too_large_has_no_codes_and_changes_no_other_node(tmp_path: Path) -> None:
    expected = table_of(spec_of(), tables(), tmp_path)
    given, last = tables(), START + pd.Timedelta(DAYS - 1, "d")
    huge = pd.DataFrame({"post_id": ["huge"], "valid_from": [START], "text": [np.full(3, 1e30, np.float32)]})
    given["posts"] = pd.concat([given["posts"], huge])
    like = pd.DataFrame({"member": pd.array([999], "Int64"), "post_id": ["huge"], "time": [last]})
    given["likes"] = pd.concat([given["likes"], like.astype(given["likes"].dtypes.to_dict())])
    found = table_of(spec_of(), given, tmp_path)
    (own,) = found[found["member_id"] == 999].to_dict("records")
    assert (own["tastes_code_1"], own["tastes_code_2"]) == (None, None)
    assert not np.any(own["tastes_levels"])
    pd.testing.assert_frame_equal(found[found["member_id"] != 999].reset_index(drop=True), expected)


@pytest.mark.parametrize("empty", [["reads", "likes"], ["posts"]])
def test_too_few_before_the_train_window_is_an_error(empty: list[str]) -> None:
    given = {name: frame.iloc[:0] if name in empty else frame for name, frame in tables().items()}
    with pytest.raises(SemanticError, match=r"semantic_ids\.tastes: expected at least 8 nodes 'member' .*; found 0"):
        table_of(spec_of(), given)


@pytest.mark.parametrize(("kind", "columns"), [("rq", 4), ("fsq", 3)])
def test_each_branch_has_its_columns(kind: str, columns: int) -> None:
    assert table_of(spec_of(kind=kind), tables()).shape[1] == columns


def test_without_events_a_kept_quantizer_leaves_an_empty_table(tmp_path: Path) -> None:
    whole = table_of(spec_of(), tables(), tmp_path)
    none = {**tables(), **{name: tables()[name].iloc[:0] for name in ("reads", "likes")}}
    found = table_of(spec_of(), none, tmp_path)
    assert (len(found), list(found.columns)) == (0, list(whole.columns))
    assert found["valid_from"].dtype == whole["valid_from"].dtype
