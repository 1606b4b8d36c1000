"""Properties of the draw: no artifacts, nothing of the future, no order, the distribution that the spec asks for."""

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from feature_repo.negatives import NegativesError, seeds
from feature_repo.negatives.seeds import _check
from models import metrics
from models.spec import SpecError
from tests.feature_repo.negatives.logs import random_log, sampling_spec

LIVES = {"table": "articles", "start": "published"}
KINDS: list[dict[str, Any]] = [
    {"by": "uniform"},
    {"by": "uniform", "alive": LIVES, "repeats": False},
    {"by": "recent", "days": 1},
    {"by": "recent", "days": 2, "alive": LIVES},
    {"by": "popularity", "repeats": False},
    {"by": "popularity", "power": 0.5, "alive": LIVES},
]


def drawn(tables: dict[str, pd.DataFrame], **sampling: Any) -> pd.DataFrame:
    kind = "int" if pd.api.types.is_integer_dtype(tables["articles"]["item_id"].dtype) else "string"
    return seeds(sampling_spec(kind, **sampling), tables).frame


def microseconds(column: pd.Series) -> np.ndarray:
    return column.astype("datetime64[us, UTC]").astype("int64").to_numpy()


def times_of_items(log: pd.DataFrame) -> dict[Any, np.ndarray]:
    time = pd.Series(microseconds(log["time"]), index=log.index)
    return {key: np.sort(part.to_numpy()) for key, part in time.groupby(log["item_id"])}


def as_known(frame: pd.DataFrame, tables: dict[str, pd.DataFrame], lives: bool) -> np.ndarray:
    """Age, count so far and first view of each row's item, as of strictly before it: (rows, 3)."""
    log, articles = tables["impressions"], tables["articles"]
    times = times_of_items(log)
    by_pair = log.groupby(["item_id", "member_id"])["time"].min().to_dict()
    born = dict(zip(articles["item_id"], microseconds(articles["published"]), strict=True))
    found = []
    for now, time, item, member in zip(
        microseconds(frame["time"]), frame["time"], frame["item_id"], frame["member_id"], strict=True
    ):
        before = times.get(item, np.empty(0, np.int64))
        start = born[item] if lives else before[0]
        found.append((now - start, np.searchsorted(before, now), by_pair.get((item, member), time) < time))
    return np.array(found, np.float64)


@pytest.mark.parametrize(
    ("sampling", "growing"),
    [
        ({"by": "uniform"}, False),
        ({"by": "uniform", "alive": LIVES}, False),
        ({"by": "uniform", "alive": LIVES, "repeats": False}, False),
        ({"by": "popularity", "power": 1, "alive": LIVES}, True),
        ({"by": "popularity", "power": 1, "alive": LIVES, "repeats": False}, True),
    ],
)
def test_a_positive_cannot_be_told_by_how_negatives_are_drawn(sampling: dict[str, Any], growing: bool) -> None:
    # A positive is never its own negative, so with few items the popular ones are drawn a little too seldom.
    tables = random_log(6_000, items=1_000, growing=growing)
    frame = drawn(tables, **sampling)
    label, rows = frame["click"].to_numpy(np.float64), as_known(frame, tables, "alive" in sampling)
    train = np.arange(len(frame)) < len(frame) // 2
    model = lightgbm.LGBMClassifier(n_estimators=20, num_leaves=15, n_jobs=1, verbose=-1).fit(rows[train], label[train])
    found = metrics.auc(label[~train], np.asarray(model.predict_proba(rows[~train]))[:, 1])
    assert found == pytest.approx(0.5, abs=0.02)
    assert label.mean() == pytest.approx(0.2)


@pytest.mark.parametrize("sampling", KINDS)
@pytest.mark.parametrize("text", [False, True])
def test_a_truncated_log_in_any_order_has_the_same_negatives(sampling: dict[str, Any], text: bool) -> None:
    tables = random_log(1_500, text=text)
    log = tables["impressions"]
    log["time"] = log["time"].dt.floor("6h")  # many at one time
    log["settled_time"] = log["time"]
    whole = drawn(tables, **sampling)
    for days in (4, 5):
        end = log["time"].min() + pd.Timedelta(days=days)
        kept = log[log["time"] < end]
        part = drawn(tables | {"impressions": kept.sample(frac=1, random_state=days)}, **sampling)
        pd.testing.assert_frame_equal(part, whole[whole["time"] < end].reset_index(drop=True))


@pytest.mark.parametrize("sampling", KINDS)
def test_what_is_drawn_was_alive_and_was_not_chosen(sampling: dict[str, Any]) -> None:
    tables = random_log(1_500)
    log = tables["impressions"]
    log["time"] = log["time"].dt.floor("6h")
    frame = drawn(tables, **sampling)
    sampled = frame[frame["sampled"] == 1]
    assert len(sampled) == 4 * (frame["sampled"] == 0).sum() > 0
    assert not frame["impression_id"].duplicated().any()
    assert not sampled.duplicated(["time", "member_id", "item_id", "place"]).any()
    column = "published" if "alive" in sampling else "time"
    starts = (tables["articles"] if "alive" in sampling else log).groupby("item_id")[column].min()
    assert (starts[frame["item_id"]].to_numpy() < frame["time"].to_numpy()).all()
    pairs = log.merge(frame[frame["sampled"] == 1], on=["member_id", "item_id"], suffixes=("", "_drawn"))
    wrong = pairs["time"] <= pairs["time_drawn"] if sampling.get("repeats") is False else False
    assert not (wrong | (pairs["time"] == pairs["time_drawn"])).any()
    if sampling["by"] == "recent":
        events = log[["item_id", "time"]]
        if column == "published":
            events = pd.concat([events, tables["articles"].set_axis(["item_id", "time"], axis=1)], ignore_index=True)
        times, day = times_of_items(events), 86_400_000_000
        for now, item in zip(microseconds(frame["time"]), frame["item_id"], strict=True):
            last = times[item][times[item] < now][-1]
            assert last // day >= now // day - sampling["days"]


@pytest.mark.parametrize(("power", "expected"), [(1.0, [0.1, 0.9]), (0.5, [0.25, 0.75]), (0.0, [0.5, 0.5])])
def test_popular_items_are_drawn_as_often_as_the_power_says(power: float, expected: list[float]) -> None:
    tables = random_log(6_000, items=8)
    log = tables["impressions"]
    early = log["time"] < log["time"].min() + pd.Timedelta(days=2)
    log["item_id"] = np.where(early, np.where(np.arange(len(log)) % 10 == 0, 1, 2), 3)  # 10 % and 90 %
    frame = drawn(tables, by="popularity", power=power, per_positive=1)
    first = frame[(frame["sampled"] == 1) & (frame["time"] < log["time"][~early].min() + pd.Timedelta(days=4))]
    counts = first["item_id"].value_counts(normalize=True)
    assert [counts[1], counts[2]] == pytest.approx(expected, abs=0.03)


def test_recent_items_are_drawn_alike_however_often_they_were_chosen() -> None:
    tables = random_log(6_000, items=8)
    log = tables["impressions"]
    day = (log["time"] - log["time"].min()).dt.days
    log["item_id"] = np.where(day < 3, np.where((day == 2) & (np.arange(len(log)) % 10 == 0), 1, 2), 3)
    frame = drawn(tables, by="recent", days=6, per_positive=1)
    late = frame[(frame["sampled"] == 1) & (frame["time"] > log["time"].min() + pd.Timedelta(days=3))]
    counts = late["item_id"].value_counts(normalize=True)
    assert [counts[1], counts[2]] == pytest.approx([0.5, 0.5], abs=0.03)


def test_rows_of_a_negative_and_what_the_manifest_says() -> None:
    tables = random_log(1_000)
    tables["impressions"]["seconds"] = 5
    document = sampling_spec(real_rate={"click": 0.03}).model_dump(mode="python", exclude_unset=True)
    assert document["impressions"]["sample_negatives"]["real_rate"] == {"click": 0.03}
    found = seeds(sampling_spec(real_rate={"click": 0.03}), tables)
    one = found.frame.groupby(["time", "member_id", "place"]).agg({"click": "sum", "sampled": ["sum", "count"]})
    assert set(map(tuple, one.to_numpy())) == {(1, 4, 5)}
    train = found.facts["windows"]["train"]
    assert train["positives"] == train["seeds"] + sum(train["left_out"].values())
    assert (found.facts["rate"], found.facts["real_rate"]) == (0.2, {"click": 0.03})
    assert found.frame["time"].min() >= pd.Timestamp("2026-01-03", tz="UTC")  # the graph window has no seeds


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: log.assign(click=np.arange(len(log)) % 2), "expected positives only .* found 500 of 1,000"),
        (
            lambda log: log.assign(item_id=log["item_id"].iloc[0]),
            r"found none of 289, since: too few items \(289\)\.",
        ),
        (lambda log: log[:0], None),
    ],
)
def test_a_log_that_cannot_have_negatives(change: Any, words: str | None) -> None:
    tables = random_log(1_000)
    tables["impressions"] = change(tables["impressions"])
    if words is None:
        assert drawn(tables).empty
        return
    with pytest.raises(NegativesError, match=words):
        drawn(tables)


def test_a_row_that_is_left_out_for_two_reasons_is_one_row() -> None:
    left_out = {"item could not be drawn": 580, "too few items": 580}
    facts = {"per_positive": 4, "windows": {"train": {"positives": 580, "seeds": 0, "left_out": left_out}}}
    words = r"found none of 580, since \(a row may have several reasons\): item could not be drawn \(580\), too few"
    with pytest.raises(NegativesError, match=words):
        _check(facts)


def test_times_of_life_are_times_and_an_ended_item_is_not_drawn() -> None:
    tables = random_log(1_000)
    lives = tables["articles"]
    lives["expired"] = lives["published"].where(np.arange(len(lives)) % 2 == 0).dt.floor("D") + pd.Timedelta(days=3)
    frame = drawn(tables, alive={**LIVES, "end": "expired"})
    ends = lives.set_index("item_id")["expired"]
    found = ends[frame["item_id"]].reset_index(drop=True)
    assert (found.isna() | (found > frame["time"])).all()
    assert found.notna().any()
    lives["expired"] = "never"
    with pytest.raises(NegativesError, match="table articles, column expired: expected times with a zone"):
        drawn(tables, alive={**LIVES, "end": "expired"})


@pytest.mark.parametrize("kind", ["Int64", "int64", "category"])
def test_keys_of_the_table_of_lives_may_have_another_type(kind: str) -> None:
    tables, lives = random_log(1_000, text=kind == "category"), {"alive": LIVES}
    expected = drawn(tables, **lives)
    tables["impressions"]["item_id"] = tables["impressions"]["item_id"].astype(kind)
    pd.testing.assert_frame_equal(drawn(tables, **lives), expected, check_dtype=False, check_categorical=False)


@pytest.mark.parametrize(
    ("text", "change", "words"),
    [
        (False, lambda keys: keys.astype(str), "found others, such as '4611686018427387904'"),
        (False, lambda keys: keys.astype(float), "found others"),  # 2^62 and more are not exact
        (
            True,
            lambda keys: np.arange(len(keys)),
            r"expected the item's keys \(key_type: string\); found others, such as 0",
        ),
    ],
)
def test_keys_of_another_kind_are_refused(text: bool, change: Any, words: str) -> None:
    tables = random_log(1_000, text=text)
    tables["articles"]["item_id"] = change(tables["articles"]["item_id"])
    with pytest.raises(NegativesError, match=words):
        seeds(sampling_spec("string" if text else "int", alive=LIVES), tables)


@pytest.mark.parametrize(
    ("sampling", "words"),
    [
        ({"zero": ["click"]}, r"zero.0: expected a task besides the primary one \(there is none\)"),
        ({"real_rate": {"buy": 0.1}}, r"real_rate.buy: expected a task for which negatives are drawn \(click\)"),
        ({"real_rate": {"click": 1.0}}, "real_rate.click"),
        ({"per_positive": 0}, "per_positive"),
        ({"by": "luck"}, "by"),
    ],
)
def test_what_a_spec_may_say(sampling: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        sampling_spec(**sampling)
