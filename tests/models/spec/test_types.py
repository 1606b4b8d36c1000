"""A value of another type than the schema's is an error, never converted; also where YAML would convert it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml

from models.spec import SpecError, parse_spec
from tests.models.spec.small import GOOD, changed, check_mistake, put

MISTAKES = [
    (put("windows.train", {"days": True}), "windows.train.days", "a valid integer", "true"),
    (put("windows.train", {"days": "7"}), "windows.train.days", "a valid integer", "'7'"),
    (put("windows.train", {"days": 7.0}), "windows.train.days", "a valid integer", "7.0"),
    (put("windows.train", {"days": None}), "windows.train.days", "a valid integer", "nothing"),
    (put("windows.start", 20260101), "windows.start", "a date such as 2026-01-31", "20260101"),
    (put("windows.start", True), "windows.start", "a date", "true"),
    (put("windows.start", "20260101"), "windows.start", "a date", "'20260101'"),
    (put("windows.start", "2026-W01-1"), "windows.start", "a date", "'2026-W01-1'"),
    (put("windows.start", "2026-01-01T00:00:00"), "windows.start", "a date", "'2026-01-01T00:00:00'"),
    (put("edges.clicked.fan_out", [True, 1]), "edges.clicked.fan_out.0", "a valid integer", "true"),
    (put("edges.clicked.window_days", True), "edges.clicked.window_days", "a valid integer", "true"),
    (put("edges.clicked.weight", 3), "edges.clicked.weight", "a valid string", "3"),
    (put("edges.clicked.time", date(2026, 1, 1)), "edges.clicked.time", "a valid string", "the date 2026-01-01"),
    (put("edges.clicked.filter", {"clicked": [None]}), "edges.clicked.filter.clicked.0", "true, false,", "nothing"),
    (put("edges.clicked.filter", {"clicked": [date(2026, 1, 1)]}), "filter.clicked.0", "a text", "the date 2026-01-01"),
    (put("edges.clicked.filter", {"clicked": [float("inf")]}), "filter.clicked.0", "a finite number", "inf"),
    (put("edges.clicked.filter", {"clicked": [2**63]}), "filter.clicked.0", "of 64 bits", "9223372036854775808"),
    (put("edges.clicked.filter", {"clicked": 1}), "edges.clicked.filter.clicked", "a valid list", "1"),
    (put("tasks.click.primary", 1), "tasks.click.primary", "a valid boolean", "1"),
    (put("tasks.click.primary", "true"), "tasks.click.primary", "a valid boolean", "'true'"),
    (put("tasks.click.weight", True), "tasks.click.weight", "a valid number", "true"),
    (put("tasks.click.weight", "1.5"), "tasks.click.weight", "a valid number", "'1.5'"),
    (put("impressions.surfaces", [True, "mail"]), "impressions.surfaces.0", "a valid string", "true"),
    (put("impressions.surfaces", "feed"), "impressions.surfaces", "a valid list", "'feed'"),
    (put("home_domain", 3), "home_domain", 'a valid string, such as "3" in quotes', "3"),
    (put("timezone", None), "timezone", "a valid string", "nothing"),
    (put("nodes.member.id_buckets", True), "nodes.member.id_buckets", "a valid integer", "true"),
    (put("source.options", {"size": None}), "source.options.size", "a finite number or a text", "nothing"),
    (put("source.options", {"size": [1]}), "source.options.size", "a finite number or a text", "[1]"),
    (put("model", {"width": True}), "model.width", "a whole number", "true"),
    (put("model", {"width": "32"}), "model.width", "a whole number", "'32'"),
    (put("model", {"width": 32.0}), "model.width", "a whole number", "32.0"),
    (put("model", {"dropout": False}), "model.dropout", "a number", "false"),
    (put("model", {"graph": "yes"}), "model.graph", "true or false", "'yes'"),
    (put("model", {"graph": 1}), "model.graph", "true or false", "1"),
    (put("model", {"width": None}), "model.width", "a whole number", "nothing"),
    (put("training", {"epochs": True}), "training.epochs", "a whole number", "true"),
    (put("training", {"learning_rate": "0.001"}), "training.learning_rate", "a number", "'0.001'"),
    (put("gate", {"margin": True}), "gate.margin", "a valid number", "true"),
    (put("counters.by_post.window", 60), "counters.by_post.window", "a valid string", "60"),
    (put("counters.by_post.recency", "false"), "counters.by_post.recency", "a valid boolean", "'false'"),
]


@pytest.mark.parametrize(("change", "key", "expected", "found"), MISTAKES, ids=[f"{m[1]}={m[3]}" for m in MISTAKES])
def test_a_mistake_is_named(change: Callable[[dict], object], key: str, expected: str, found: str) -> None:
    check_mistake(change, key, expected, found)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("days: 14", "days: 014", "windows.train.days"),
        ("days: 14", "days: 1_4", "windows.train.days"),
        ("days: 14", "days: 0:14", "windows.train.days"),
        ("days: 14", "days: yes", "windows.train.days"),
        ("days: 14", "days: 1e1", "windows.train.days"),
        ("domain: feed", "domain: no", "edges.clicked.domain"),
        ("domain: feed", "domain: 12:30:00", "edges.clicked.domain"),
        ("domain: feed", "domain: 2026-01-01", "edges.clicked.domain"),
        ("domain: feed", "domain: ~", "edges.clicked.domain"),
        ("domain: feed", "domain:", "edges.clicked.domain"),
        ("hour: number", "on: number", "impressions.context.on"),
        ("hour: number", "1: number", "impressions.context"),
        ("2026-01-01", "1767225600", "windows.start"),
        ("2026-01-01", "2026-01-01 12:00:00", "windows.start"),
    ],
)
def test_what_yaml_would_convert_is_named(old: str, new: str, key: str) -> None:
    text = yaml.safe_dump({**GOOD, "windows": {**GOOD["windows"], "train": {"days": 14}}})
    parse_spec(text)
    assert old in text
    with pytest.raises(SpecError) as caught:
        parse_spec(text.replace(old, new, 1), "small.yaml")
    assert caught.value.key == key


def test_numbers_as_json_and_people_write_them() -> None:
    text = changed(put("training", {"epochs": 2})).replace("epochs: 2", "learning_rate: 1e-3")
    assert parse_spec(text).training.learning_rate == 0.001
    assert parse_spec(changed(put("tasks.click.weight", 2))).tasks["click"].weight == 2.0


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    from models.spec import load_spec

    with pytest.raises(SpecError, match=r"\(file\): expected a spec in YAML; found a folder"):
        load_spec(tmp_path)
