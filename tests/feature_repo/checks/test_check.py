"""A check reports everything that a run would refuse, and previews the rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_repo.checks.check import check_product
from feature_repo.checks.page import page
from feature_repo.checks.rows import Least
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from models.spec import load_spec
from tests.feature_repo.checks.world import MEMBERS, ROWS, Tables, spec_file, tables
from tests.feature_repo.sources.fakes import install_adapter

__all__ = ["spec_file", "tables"]

Write = Callable[..., Path]


def test_a_good_product_has_a_preview_and_no_errors(tables: Tables, spec_file: Write, tmp_path: Path) -> None:
    path = spec_file()
    report = check_product(path, None)
    assert report.errors == []
    assert report.read
    windows = report.preview["windows"]
    assert sum(window["rows"] for window in windows.values()) == ROWS
    assert windows["train"]["members"] == MEMBERS
    gate = tables["impressions"]
    gate = gate[(gate["time"] >= "2026-02-01T16:00Z") & (gate["time"] < "2026-02-05T16:00Z")]
    assert windows["gate"]["tasks"]["click"] == {"rows": len(gate), "positives": int(gate["clicked"].sum())}
    mail = gate[gate["surface"] == "mail"]
    assert windows["gate"]["surfaces"]["mail"]["tasks"]["mail_click"]["rows"] == len(mail)
    assert report.preview["edges"]["follows"]["of_source"]["median"] == 1
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["product"] == "small"
    assert page(report).splitlines()[-1].startswith("small: 0 errors")
    (feed,) = (line for line in page(report).splitlines() if line.startswith("feed "))
    assert feed.split()[-1] == "-"  # mail_click is not defined there
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_shares_of_cold_rows_and_lengths_of_history(tables: Tables, spec_file: Write) -> None:
    shown = tables["impressions"]
    in_train = (shown["time"] >= "2026-01-14T16:00Z") & (shown["time"] < "2026-01-28T16:00Z")
    in_gate = (shown["time"] >= "2026-02-01T16:00Z") & (shown["time"] < "2026-02-05T16:00Z")
    shown["post_id"], shown["member_id"], shown["clicked"] = "old", 1, [0, 1] * (ROWS // 2)
    places = shown.index[in_gate][:4]
    shown.loc[places, "post_id"] = "new"
    shown.loc[places[:2], "member_id"] = 2
    shown.loc[shown.index[~in_train & ~in_gate][:3], "post_id"] = "early"
    shown.loc[places[-1], "post_id"] = "early"
    windows = check_product(spec_file(), None).preview["windows"]
    rows = int(in_gate.sum())
    assert windows["gate"]["items"] == 3
    assert windows["gate"]["new_items"] == 3 / rows
    assert windows["gate"]["unseen_items"] == 4 / rows  # also what was shown in the graph window only
    assert windows["gate"]["new_members"] == 2 / rows
    clicks = int(shown["clicked"][shown["settled_time"] < "2026-02-01T16:00Z"].sum())
    assert windows["gate"]["history"]["median"] == clicks / 2  # of member 1 all, of member 2 none
    assert windows["train"]["unseen_items"] is None


def test_every_table_tells_all_of_its_errors_as_ingest_does(tables: Tables, spec_file: Write, tmp_path: Path) -> None:
    tables["impressions"]["surface"], tables["impressions"]["member_id"] = "tv", 1.5
    tables["members"]["age"] = "old"
    tables["follows"]["strength"] = 0.0
    path = spec_file()
    report = check_product(path, None)
    expected = (
        "column surface: expected one of",
        "column member_id: expected 64-bit",
        "column age",
        "a positive strength",
    )
    assert len(report.errors) == len(expected)
    for words in expected:
        assert sum(words in sentence for sentence in report.errors) == 1, words
    assert report.preview == {}
    with pytest.raises(SourceError, match=r"column \w+: expected .*\(and 1 more: python -m pipelines check"):
        ingest(load_spec(path), None, tmp_path / "tables")


def test_every_wrong_column_of_the_spec_is_named_and_no_data_is_read(tables: Tables, spec_file: Write) -> None:
    def change(document: dict[str, Any]) -> None:
        document["edges"]["follows"]["weight"] = "nothing"
        document["nodes"]["member"]["views"]["profile"]["features"]["height"] = "number"

    report = check_product(spec_file(change), None)
    assert [("height" in one, "nothing" in one) for one in report.errors] == [(True, False), (False, True)]
    assert not report.read
    assert "the data was not read" in page(report)
    broken = check_product(spec_file(lambda document: document.update(timezone="Mars", home_domain=3)), None)
    assert [sentence.split(": expected")[0].split()[-1] for sentence in broken.errors] == ["timezone", "home_domain"]


@pytest.mark.parametrize(
    ("error", "words"),
    [(KeyError("user"), "KeyError: 'user'"), (OSError(2, "No such file", "x.csv"), "FileNotFoundError")],
)
def test_an_adapter_that_fails_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, spec_file: Write, error: Exception, words: str
) -> None:
    def read(spec: Any, data: Any) -> Any:
        raise error

    install_adapter(monkeypatch, read)
    report = check_product(spec_file(), None)
    (sentence,) = report.errors
    assert sentence.startswith("adapter fake: expected read(spec, data) without an error; found " + words)
    assert "test_check.py, line" in sentence
    assert "\n" not in sentence


def test_rows_that_are_accepted_but_hardly_meant_are_warnings(tables: Tables, spec_file: Write) -> None:
    tables["members"]["member_id"] += 2**62
    tables["follows"]["time"] = pd.Timestamp("2026-02-01", tz="UTC").as_unit("us")
    tables["impressions"]["surface"] = np.where(tables["impressions"]["time"] < "2026-01-20T16:00Z", "mail", "feed")
    tables["impressions"]["hour"] = 3.0
    tables["impressions"].loc[[5], "settled_time"] = pd.Timestamp("2150-01-01", tz="UTC")
    report = check_product(spec_file(), None, Least(rows=10_000))
    assert report.errors == []
    expected = (
        "100% of the impressions have a member_id that is not in members.member_id",
        "edges.follows: none of its 50 rows lies before the train window",
        "column hour (the context): the value 3.0 in all",
        "fewer than 10,000: the gate would hold every candidate",
        "1 rows (0.05%) go to the quarantine, the first: settled_time 2150-01-01",
        "task mail_click: expected rows of both classes; found 0 rows",
    )
    for words in expected:
        assert any(words in sentence for sentence in report.warnings), words


def test_outcomes_that_settle_after_the_windows_are_told(tables: Tables, spec_file: Write) -> None:
    tables["impressions"]["settled_time"] = tables["impressions"]["time"] + pd.Timedelta("20d")
    report = check_product(spec_file(), None)
    assert any("task click" in one and "only 0 rows with 0 positive had settled" in one for one in report.errors)
    assert any("window train" in one and "the outcomes of 100% of the rows settle" in one for one in report.warnings)
    assert any("nothing chooses the epochs" in one for one in report.warnings)


@pytest.mark.parametrize("name", ["impressions", "follows", "members"])
def test_an_empty_table_ends_no_check(tables: Tables, spec_file: Write, name: str) -> None:
    tables[name] = tables[name].iloc[:0]
    report = check_product(spec_file(), None)
    assert bool(report.errors) == (name == "impressions")
    assert page(report)


def test_versions_that_tie_are_told(tables: Tables, spec_file: Write) -> None:
    tables["members"] = pd.concat([tables["members"], tables["members"].iloc[[3]].assign(age=99.0)], ignore_index=True)
    report = check_product(spec_file(), None)
    assert [one for one in report.errors if "expected rows that differ in member_id, valid_from; found 1" in one]


def test_history_events_need_events(tables: Tables, spec_file: Write) -> None:
    report = check_product(spec_file(lambda document: document.update(training={"history_events": 100})), None)
    assert [one for one in report.errors if one.startswith("training.history_events: expected engagements")]


def test_ease_needs_few_items(tables: Tables, spec_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(document: dict[str, Any]) -> None:
        skipped = {**document["edges"]["clicked"], "filter": {"clicked": [0]}}
        document["edges"]["skipped"] = skipped
        document["collaborative"] = {
            "liked": {"events": ["clicked", "skipped"], "outcome": ["clicked"], "kinds": ["ease"]}
        }

    path = spec_file(change)
    assert check_product(path, None).errors == []
    monkeypatch.setattr("feature_repo.collaborative.neighbors.MOST_EASE_ITEMS", 29)
    assert check_product(path, None).errors == [
        "collaborative.liked.kinds: expected at most 29 items with positive events for ease; found 30. Remove ease, or "
        "choose events with fewer items"
    ]
