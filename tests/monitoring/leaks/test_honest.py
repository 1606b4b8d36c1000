"""Strong honest columns are not named, nor is popularity among sampled negatives, which tells positives from draws."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.features import counter_columns
from tests.factories import specs
from tests.monitoring.leaks.products import rows_of, screened, spec_of

KINDS = {
    "strong": "number",
    "copied": "number",
    "rare": "category",
    "new": "number",
    "note": "text",
    "slug": "category",
}


def honest_rows(rows: int, area: float, base: float, seed: int) -> pd.DataFrame:
    """Twenty clean columns and these: one of this AUC and a copy, a rare pure category, one that new items lack, a
    text, the item itself; on three surfaces, one of them small.
    """
    frame, draws = rows_of(rows, strength=0.8, seed=seed), np.random.default_rng(seed + 100)
    apart = {0.7: 0.742, 0.85: 1.466}[area]
    frame["click"] = (draws.random(rows) < base).astype("int8")
    frame["strong"] = draws.normal(0, 1, rows) + apart * frame["click"]
    frame["copied"] = (frame["strong"] * 100).round()
    frame["item"] = (draws.zipf(1.3, rows) % 500).astype("int64")
    positives = np.flatnonzero(frame["click"] == 1)
    frame["rare"] = "usual"
    frame.loc[draws.choice(positives, 30, replace=False), "rare"] = "seldom"
    frame["new"] = np.where(frame["item"] > 300, np.nan, draws.random(rows))
    frame["note"] = np.where(draws.random(rows) < 0.3, None, np.char.mod("title %d", frame["item"]).astype(object))
    frame["slug"] = np.char.mod("item-%d", frame["item"])
    frame["surface"] = draws.choice(["feed", "email"], rows, p=[0.95, 0.05])
    return frame


@pytest.mark.parametrize("rows", [1500, 6000])
@pytest.mark.parametrize("area", [0.7, 0.85])
@pytest.mark.parametrize("base", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_strong_honest_columns_are_not_named(rows: int, area: float, base: float, seed: int, tmp_path: Path) -> None:
    found = screened(honest_rows(rows, area, base, seed), spec_of(**KINDS), tmp_path)
    assert found["found"] == []
    assert found["columns"] == 20 + len(KINDS)


def sampled_rows(by: str, skew: float = 1.2, positives: int = 4000, items: int = 5000, seed: int = 0) -> pd.DataFrame:
    """Clicks of a skewed catalog, each with four draws: of all items that were clicked before, or by popularity."""
    draws = np.random.default_rng(seed)
    shares = np.arange(1, items + 1.0) ** -skew
    item = draws.permutation(items)[draws.choice(items, positives, p=shares / shares.sum())]
    negatives = np.empty((positives, 4), np.int64)
    for place in range(positives):
        before = item[: max(place, 1)]
        pool = before if by == "popularity" else np.unique(before)
        negatives[place] = draws.choice(pool, 4)
    clicks = rows_of(positives, seed=seed).assign(item=item, click=1)
    frame = pd.concat([clicks, *(clicks.assign(item=negatives[:, place], click=0) for place in range(4))])
    frame = frame.sort_values("time", kind="stable").reset_index(drop=True)
    frame["impression_id"], frame["like"] = np.arange(len(frame)), 0
    frame["item_clicks"] = _before(frame, ["item"])
    frame["slug"] = np.char.mod("item-%d", frame["item"].to_numpy())
    frame["section"] = np.char.mod("section %d", frame["item"].to_numpy() % 40)
    frame["quality"] = np.log(shares)[np.argsort(draws.permutation(items))][frame["item"]]
    return frame


def _before(frame: pd.DataFrame, keys: list[str]) -> np.ndarray:
    """Clicks of the same keys at strictly earlier times (the rows of one click share its time)."""
    sums = frame.groupby([*keys, "time"])["click"].sum()
    before = (sums.groupby(level=keys).cumsum() - sums).rename("before").reset_index()
    return frame.merge(before, on=[*keys, "time"], how="left")["before"].to_numpy(float)


SAMPLED = {"item_clicks": "number", "slug": "category", "section": "category", "quality": "number"}


@pytest.mark.parametrize("by", ["uniform", "popularity"])
@pytest.mark.parametrize("skew", [1.2, 1.6])
@pytest.mark.parametrize("seed", [0, 1])
def test_popularity_is_no_leak_among_sampled_negatives(by: str, skew: float, seed: int, tmp_path: Path) -> None:
    frame = sampled_rows(by, skew, seed=seed)
    found = screened(frame, spec_of(sampled={"by": by}, **SAMPLED), tmp_path)
    assert found["found"] == []
    assert found["notes"] == [] or "click" not in found["notes"][0]


def test_popularity_alone_would_be_named_without_the_strata(tmp_path: Path) -> None:
    frame = sampled_rows("uniform", 1.6)
    later = frame["window"] == "validate"
    assert metrics.auc(frame["click"][later].to_numpy(float), frame["item_clicks"][later].to_numpy()) > 0.9


def test_a_leak_among_sampled_negatives_is_named(tmp_path: Path) -> None:
    frame = sampled_rows("uniform")
    frame["state"] = np.where(frame["click"] == 1, "opened", "closed")
    (found,) = screened(frame, spec_of(sampled={}, state="category", **SAMPLED), tmp_path)["found"]
    assert (found["column"], found["rule"]) == ("state", "alone")
    assert "among items of one popularity" in found["sentence"]


def test_our_own_columns_of_what_was_before_are_not_suspected_among_sampled_negatives(tmp_path: Path) -> None:
    frame = sampled_rows("uniform")
    counted = specs.spec_of(specs.document(counters={"by_pair": {"keys": ["member", "item"]}}))
    (first, *others) = counter_columns(counted, "by_pair")
    frame = frame.assign(**{first: frame["click"]}, **dict.fromkeys(others, 0.0))
    pair = {"by_pair": {"keys": ["member", "item"]}}
    found = screened(frame, spec_of(sampled={}, counters=pair, **SAMPLED), tmp_path)
    assert found["found"] == []
    assert found["notes"][0].startswith(f"{1 + len(others)} columns of counters")
    assert first in [one["column"] for one in screened(frame, spec_of(counters=pair), tmp_path)["found"]]
