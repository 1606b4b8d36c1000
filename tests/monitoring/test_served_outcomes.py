"""Outcomes of served candidates: by id, by what was shown to whom and when, and those that are still open."""

from pathlib import Path

import pandas as pd
import pytest

from models.served import read
from models.spec import Spec
from models.time_units import HOUR
from monitoring.served_outcomes import from_served
from monitoring.traffic import summarise
from tests.factories import specs
from tests.monitoring.fakes import DOCUMENT, small_spec

SPEC = small_spec()
START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


def with_ids(attribution: str | None = None) -> Spec:
    """The spec with a column of ids, and a time that outcomes may take."""
    tasks = {"click": {"label": "clicked", "primary": True, "attribution": attribution}, "like": {"label": "liked"}}
    return specs.spec_of({**DOCUMENT, "impressions": {**DOCUMENT["impressions"], "served": "answer"}, "tasks": tasks})


def served(times: list[int], item: list[int], ids: list[str | None] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "impression": [None] * len(times) if ids is None else ids,
            "member": 1,
            "item": item,
            "surface": "feed",
            "time": times,
            "probability_click": [0.1 * n for n in range(len(times))],
        }
    )


def impressions(
    times: list[int], item: list[int], clicked: list[float], ids: list[str | None] | None = None
) -> pd.DataFrame:
    time = pd.to_datetime(pd.Series(times, dtype="int64"), unit="us", utc=True)
    return pd.DataFrame(
        {
            "impression_id": range(len(times)),
            "member": 1,
            "item": item,
            "surface": "feed",
            "time": time,
            "clicked": clicked,
            "answer": [None] * len(times) if ids is None else ids,
        }
    )


def test_served_candidates_meet_the_outcome_that_followed() -> None:
    log = served([START, START + HOUR, START + 2 * HOUR, START + 100 * HOUR], [7, 7, 8, 7])
    seen = impressions([START + HOUR, START + 30 * HOUR], [7, 8], [1, 1])
    found = from_served(SPEC, log, seen)
    # the impression belongs to the last candidate served before it; item 8 came too late; the last was never shown
    assert found["label"].isna().tolist() == [True, False, True, True]
    assert found["probability"].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert summarise(found)["labelled"] == 1


def test_a_candidate_is_matched_with_a_later_impression_of_its_own_member_item_and_surface() -> None:
    log = served([START + HOUR] * 4, [7, 7, 7, 7]).assign(
        member=[1, 2, 1, 1], surface=["feed", "feed", "notification", "feed"], item=[7, 7, 7, 9]
    )
    seen = impressions([START, START + 2 * HOUR], [9, 7], [1, 1])
    found = from_served(SPEC, log, seen)
    # member 1's item 7 on the feed is shown later; another member, another surface, and an item shown only before
    assert found.set_index("probability")["label"].dropna().to_dict() == {0.0: 1.0}


def test_nothing_served_and_nothing_shown_are_no_error() -> None:
    assert summarise(from_served(SPEC, served([], []), impressions([START], [7], [1])))["rows"] == 0
    assert summarise(from_served(SPEC, served([START], [7]), impressions([], [], [])))["labelled"] == 0
    assert len(from_served(with_ids("2h"), served([], [], []), impressions([], [], [], []))) == 0


def test_an_id_finds_its_candidate_whatever_else_was_served_and_shown() -> None:
    """The same item twice within an hour: without ids, the first outcome would go to the second candidate."""
    log = served([START, START + HOUR, START + 2 * HOUR], [7, 7, 7], ["a/0/0", "b/0/0", "c/0/0"])
    times = [START + 2 * HOUR + 1, START + 2 * HOUR + 2, START + 90 * HOUR]
    seen = impressions(times, [7, 7, 7], [1, 0, 1], ["a/0/0", None, "b/0/0"])
    assert from_served(with_ids(), log, seen)["label"].tolist() == [1, 1, 0]
    labels = from_served(with_ids(), log, seen.assign(answer=None))["label"]
    assert labels.tolist()[2] == 1
    assert labels.isna().tolist() == [True, True, False]


def test_a_row_of_another_candidate_is_not_matched_by_anything() -> None:
    log = served([START, START], [7, 8], ["a/0/0", "a/0/1"])
    wrong_item = impressions([START + 1, START + 1], [8, 7], [1, 1], ["a/0/0", "unknown/0/0"])
    assert from_served(with_ids(), log, wrong_item)["label"].isna().all()
    assert from_served(with_ids(), log.assign(member=2), wrong_item)["label"].isna().all()


def test_an_id_that_two_rows_have_counts_once_with_the_first() -> None:
    log = served([START, START + HOUR], [7, 7], ["a/0/0", None])
    seen = impressions([START + 3 * HOUR, START + 2 * HOUR], [7, 7], [0, 1], ["a/0/0", "a/0/0"])
    found = from_served(with_ids(), log, seen)
    assert found["label"].tolist()[0] == 1
    assert found["label"].isna().tolist() == [False, True]


def test_a_candidate_is_pending_until_its_attribution_has_passed() -> None:
    log = served([START, START + HOUR, START + 2 * HOUR], [7, 8, 9], ["a/0/0", "b/0/0", None])
    seen = impressions([START, START + 2 * HOUR, START + 2 * HOUR], [7, 8, 9], [0, 1, 0], ["a/0/0", "b/0/0", None])
    spec = with_ids("2h")
    # the last row is the end of the data; item 8 was clicked, but others like it may still be
    assert from_served(spec, log, seen)["label"].isna().tolist() == [False, True, True]
    for now, pending in ((START + 2 * HOUR - 1, 3), (START + 2 * HOUR, 2), (START + 4 * HOUR - 1, 2)):
        assert from_served(spec, log, seen, now)["label"].isna().sum() == pending
    assert from_served(spec, log, seen, START + 4 * HOUR)["label"].tolist() == [0, 1, 0]
    assert from_served(with_ids(), log, seen)["label"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("attribution", [None, "30d", "1h"])
def test_an_impression_without_an_id_follows_within_a_day_however_long_its_outcome_takes(
    attribution: str | None,
) -> None:
    log = served([START] * 3, [7, 8, 9])
    seen = impressions([START + hours * HOUR for hours in (1, 24, 25)], [7, 8, 9], [1, 1, 1])
    found = from_served(with_ids(attribution), log, seen, START + 1000 * HOUR)
    assert found["label"].notna().sum() == 2


@pytest.mark.parametrize(
    ("clicked", "label"), [([float("nan"), 1], 1), ([1, float("nan")], 1), ([0, 1], 1), ([1, 0], 1)]
)
def test_of_two_rows_at_one_time_a_known_and_a_positive_outcome_count(clicked: list[float], label: float) -> None:
    seen = impressions([START, START], [7, 7], clicked, ["a/0/0", "a/0/0"])
    assert from_served(with_ids(), served([START], [7], ["a/0/0"]), seen)["label"].tolist() == [1]


def test_an_empty_log_has_no_candidates(tmp_path: Path) -> None:
    found = from_served(with_ids("2h"), read(tmp_path), impressions([START], [7], [1]))
    assert summarise(found)["rows"] == 0


def test_an_outcome_that_is_not_known_yet_is_no_label() -> None:
    log = served([START, START], [7, 8], ["a/0/0", None])
    seen = impressions([START, START], [7, 8], [float("nan")] * 2, ["a/0/0", None])
    assert from_served(with_ids(), log, seen)["label"].isna().all()
