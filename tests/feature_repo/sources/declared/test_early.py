"""Context is not made of what is known only later, by whatever way the spec comes to it."""

import pytest

from feature_repo.sources.adapters import check
from feature_repo.sources.errors import SourceError
from models.spec import Spec
from tests.feature_repo.sources.declared.shop import TABLES, shop_spec, tables

COLUMNS = TABLES["impressions"]["columns"]
LOGS = {
    "files": "impressions.csv",
    "types": {"ts": "BIGINT", "stay": "BIGINT"},
    "columns": {"item_id": "product", "valid_from": "ts", "done": "event = 'click'"},
    "times": {"valid_from": {"unit": "ms"}},
}
JOIN = {"table": "logs", "column": "done", "key": "item_id", "time": "valid_from"}


def given_by_item(spec: Spec) -> Spec:
    """The same spec with its context as that of candidates."""
    shown = spec.impressions.model_copy(update={"context": {}, "candidate_context": spec.impressions.context})
    return spec.model_copy(update={"impressions": shown})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {
                "columns": {**COLUMNS, "helper": "event = 'click'"},
                "derived": {"price_log": "CASE WHEN helper THEN 5 END"},
            },
            "derived.price_log: expected what is known .* found event, from which the outcome clicked is made",
        ),
        (
            {"columns": {**COLUMNS, "price_log": "stay"}, "derived": None},
            "columns.price_log: expected what is known .* found stay, from which settled_time is made",
        ),
        (
            {
                "asof": {"price_log": {**JOIN, "table": "prices", "column": "price", "key": ["item_id", "clicked"]}},
                "derived": None,
            },
            "asof.price_log: expected what is known .* found event",
        ),
    ],
)
def test_what_context_is_made_of(changes: dict, words: str) -> None:
    prices = {"columns": {**TABLES["prices"]["columns"], "clicked": "price"}}
    spec = shop_spec(tables(impressions=changes, prices=prices))
    for one in (spec, given_by_item(spec)):
        with pytest.raises(SourceError, match=words):
            check(one)


def test_context_may_be_made_of_keys_and_of_the_time() -> None:
    derived = {"price_log": "hour(time) + length(item_id) + price"}
    check(shop_spec(tables(impressions={"derived": derived})))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"files": "impress*.csv"},
        {"columns": {**LOGS["columns"], "done": "ts"}, "where": "event = 'click'"},
    ],
)
def test_a_second_table_of_the_same_rows_is_known_once_they_have_settled(changes: dict) -> None:
    logs = {**LOGS, **changes}
    asof = {**TABLES["impressions"]["asof"], "last": JOIN}
    with pytest.raises(SourceError, match=r"last.time: expected a time that is read like settled_time .*ts . stay"):
        check(shop_spec(tables(impressions={"asof": asof}, logs=logs)))
    logs["columns"] = {**logs["columns"], "valid_from": "ts + stay"}
    check(shop_spec(tables(impressions={"asof": asof}, logs=logs)))


def test_a_second_table_may_tell_what_is_known_at_once() -> None:
    logs = {**LOGS, "columns": {**LOGS["columns"], "done": "ts"}}
    check(shop_spec(tables(impressions={"asof": {**TABLES["impressions"]["asof"], "last": JOIN}}, logs=logs)))
