"""Windows in which a task has one class."""

import json
import logging
from pathlib import Path

import pandas as pd
import pytest

from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from feature_repo.sources.labels import check_classes, count_labels
from models.spec import Spec
from tests.factories import specs
from tests.feature_repo.sources.fakes import DOCUMENT, install_adapter, instants, small_tables

SPEC = specs.spec_of({**DOCUMENT, "windows": specs.windows(graph=1, train=1, validate=1)})
"""Days from 2026-01-01: graph, train, validate, gate, test."""


def shown(**changed: object) -> pd.DataFrame:
    """Two mails of both classes on each day, an hour apart; ``changed``: the clicks of a day, such as day2."""
    days = [f"2026-01-0{day} {hour}:00" for day in range(1, 6) for hour in ("08", "09")]
    frame = pd.DataFrame({"time": instants(days), "surface": "mail", "clicked": [0, 1] * 5})
    frame["settled_time"] = frame["time"] + pd.Timedelta("1h")
    for name, value in changed.items():
        day = int(name.removeprefix("day"))
        frame.loc[[2 * day - 2, 2 * day - 1], "clicked"] = value
    return frame


def refused(frame: pd.DataFrame, spec: Spec = SPEC, rolled: bool = False) -> tuple[str, ...]:
    try:
        check_classes(spec, frame, rolled)
    except SourceError as error:
        return error.sentences
    return ()


def test_days_with_both_classes_pass() -> None:
    assert check_classes(SPEC, shown()) == []
    assert [(one.rows, one.positives) for one in count_labels(SPEC, shown())] == [(2, 1)] * 8


@pytest.mark.parametrize(("day", "window"), [(2, "train"), (3, "validate"), (4, "gate"), (5, "test")])
@pytest.mark.parametrize(("value", "positives"), [(0, 0), (1, 2)])
def test_one_class_of_the_primary_task_is_refused_in_one_sentence(
    day: int, window: str, value: int, positives: int
) -> None:
    found = [one for one in refused(shown(**{f"day{day}": value})) if "task click" in one]
    assert found == [
        f"window {window} (2026-01-0{day}), task click: expected rows of both classes; found 2 rows, {positives} of "
        f"them positive. Make windows.{window}.days longer, move the windows, or name another primary task"
    ]
    (late,) = [one for one in refused(shown(**{f"day{day}": value}), rolled=True) if "task click" in one]
    assert late.endswith("The data has decided on these dates (windows.end: latest); newer data moves them")


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (1, "Every row is positive: a log without what was not chosen needs impressions.sample_negatives"),
        (0, "No window has a positive one: check how clicked is made"),
    ],
)
def test_one_class_in_all_windows_is_no_matter_of_windows(value: int, advice: str) -> None:
    found = [one for one in refused(shown().assign(clicked=value)) if "task click" in one]
    assert [one.split(". ")[1] for one in found] == [advice] * 4
    found = [one for one in refused(shown().assign(clicked=value)) if "task mail_click" in one]
    assert found[0].endswith("check how clicked is made")


def test_another_task_is_refused_in_train_only() -> None:
    frame = shown()
    frame["surface"] = ["mail", "mail", "feed", "feed", "mail", "mail", "feed", "feed", "mail", "mail"]
    (sentence,) = refused(frame)
    assert sentence.startswith(
        "window train (2026-01-02), task mail_click: expected rows of both classes; found 0 rows"
    )
    frame.loc[2:3, "surface"] = "mail"
    (kept,) = check_classes(SPEC, frame)
    assert kept.startswith("window gate (2026-01-04), task mail_click: expected rows of both classes; found 0 rows")


def test_labels_that_settle_after_a_fit_do_not_count_for_it() -> None:
    frame = shown()
    frame.loc[3, "settled_time"] = frame["time"][4]
    assert {one.split(":")[0] for one in refused(frame)} == {
        "window train (2026-01-02), task click",
        "window train (2026-01-02), task mail_click",
    }
    assert "but only 1 rows with 0 positive had settled at its end" in refused(frame)[0]
    frame = shown()
    frame.loc[9, "settled_time"] += pd.Timedelta("9d")  # the gate and the report read labels of any time
    assert refused(frame) == ()


def test_no_impression_at_all_is_refused_in_every_window() -> None:
    assert len(refused(shown().iloc[:0])) == 5


def test_ingest_refuses_it_where_a_training_follows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install_adapter(monkeypatch, lambda spec, data: small_tables())
    with pytest.raises(SourceError, match=r"window train .*and 4 more: python -m pipelines check"):
        ingest(SPEC, None, tmp_path / "tables", trained=True)
    assert list(tmp_path.iterdir()) == []
    ingest(SPEC, None, tmp_path / "tables")  # new vectors and monitors need no labels
    good = small_tables()
    good["impressions"] = shown().assign(impression_id=range(10), member_id=1, post_id="a", hour=1.0, seconds=0.0)
    good["impressions"].loc[6:7, "surface"] = "feed"
    install_adapter(monkeypatch, lambda spec, data: good)
    with caplog.at_level(logging.WARNING):
        assert json.dumps(ingest(SPEC, None, tmp_path / "tables", trained=True))
    assert "window gate (2026-01-04), task mail_click: expected rows of both classes" in caplog.text
