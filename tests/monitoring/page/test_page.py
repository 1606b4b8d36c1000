"""The monitoring page: verdict first, nothing loaded, hostile names escaped, gaps and empty reports shown."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitoring.accepted import Accepted
from monitoring.page.page import HEADLINES, MEANINGS, PAGE, write_page
from monitoring.verdict import State
from tests.monitoring.page.reports import DRIFT, ITEM, RATIO, day, figure, report
from tests.monitoring.pages import Page

WHOLE = report(
    day("2026-11-01", figure(), figure(version="12"), figure("email"), figure(version="11")),
    day("2026-11-03", figure(), figure(version="12"), figure("email", settled=400), figure("push"), figure(cohort="x")),
    day("2026-11-04", figure(settled=0), pending=1000),
    evidence=(DRIFT, RATIO, ITEM),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a page with everything."""
    folder = tmp_path_factory.mktemp("page")
    write_page("small", WHOLE, folder, "evidently.html")
    return folder


def written(document: Any, folder: Path) -> Page:
    write_page("small", document, folder)
    return parsed(folder)


def parsed(folder: Path) -> Page:
    page = Page((folder / PAGE).read_text(encoding="utf-8"))
    assert page.unbalanced == []
    assert page.external == []
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    return page


def test_the_page_begins_with_verdict_cause_since_and_the_next_command(whole: Path) -> None:
    page = parsed(whole)
    begins = page.text[page.text.index("Retrain") :]
    places = [
        begins.index(words) for words in ("features.drift", "2026-11-02, for 2 days", "--pipeline act", "Evidence")
    ]
    assert places == sorted(places)
    assert page.tags.index("h1") < page.tags.index("svg")
    assert "evidently.html" in page.references
    assert "docs/runbook.md" in page.text


def test_evidence_is_the_first_layer_and_the_rest_are_its_consequences(whole: Path) -> None:
    """A warning of an earlier layer is neither."""
    text = parsed(whole).text
    places = [text.index(words) for words in ("PSI 0.31", "Consequences", "1.2 times", "Other alarms", "item 88 is")]
    assert places == sorted(places)


def test_trends_and_tables_are_by_version_surface_and_cohort(whole: Path) -> None:
    page = parsed(whole)
    assert page.tags.count("figure") == 7  # rate, ratio, AUC; AUC and ratio by version; rows; shares
    for title in ("By version, on 2026-11-03", "By surface, on 2026-11-03", "By cohort, on 2026-11-03"):
        assert title in page.text
    surfaces = page.text[page.text.index("By surface") : page.text.index("By cohort")]
    assert surfaces.index("all") < surfaces.index("push") < surfaces.index("email")
    assert "1.20 1.10–1.30" in surfaces
    for status in WHOLE["outcomes"]:
        assert MEANINGS[status] in page.text
    assert page.text.index("seniority") < page.text.index("Columns without an alarm: 1")


def test_a_version_has_its_rate_without_exploration_where_there_is_one(whole: Path, tmp_path: Path) -> None:
    assert "without exploration" not in parsed(whole).text
    usual = {"usual": 0.125, "usual_low": 0.11, "usual_high": 0.14}
    page = written(report(day("2026-11-03", figure(), figure(version="2", **usual))), tmp_path)
    assert page.text.count("without exploration") == 1
    assert "12.5% 11.0%–14.0%" in page.text


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_headline(tmp_path: Path, state: State) -> None:
    evidence = () if state is State.HEALTHY else (replace(DRIFT, state=state),)
    page = written(report(state=state, evidence=evidence), tmp_path)
    assert HEADLINES[state][1] in page.text
    assert ("Cause" in page.text) == (state is not State.HEALTHY)
    assert "No day with figures yet" in page.text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>\"'$\\x$\x07"
    document = report(
        day("2026-11-01", figure(), figure(bad), figure(version=bad), figure(version="2"), figure(task=bad))
    )
    document |= {"columns": {bad: {"psi": 1.0, "new_values": [bad]}}, "next": bad, "outcomes": {bad: 3}}
    document["alarms"][0] |= {"subject": bad, "text": bad}
    page = written(document, tmp_path)
    assert page.text.count("alert(1)") >= 8
    assert "alert" not in "".join(re.findall(r"<svg.*?</svg>", (tmp_path / PAGE).read_text(), re.DOTALL))


@pytest.mark.parametrize("days", [[], [{"day": "2026-11-01"}], [{"day": None}, {"day": "soon"}]])
def test_what_is_missing_is_said(tmp_path: Path, days: list[Any]) -> None:
    page = written({"days": days}, tmp_path)
    for words in ("No verdict", "No monitor has an alarm", "No day with figures yet", "No candidate was served"):
        assert words in page.text
    assert "None" not in page.text


def test_pictures_follow_light_and_dark_mode(whole: Path) -> None:
    html = (whole / PAGE).read_text(encoding="utf-8")
    pictures = "".join(re.findall(r"<figure>.*?</figure>", html, re.DOTALL))
    assert "var(--series-1)" in pictures
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", pictures) == []
    assert "prefers-color-scheme: dark" in html


def test_a_surface_without_settled_rows_has_no_interval(tmp_path: Path) -> None:
    page = written(report(day("2026-11-03", figure(), figure("email", settled=0))), tmp_path)
    assert "email" in page.text
    assert (tmp_path / PAGE).read_text(encoding="utf-8").count('aria-label="ratio and interval"') == 1  # of all


def test_an_accepted_fault_is_shown_with_who_when_and_why(tmp_path: Path) -> None:
    document = report(state=State.HEALTHY, evidence=())
    one = Accepted(
        "traffic.surface", "email", "2026-10-30", "2026-11-01", "<b>closed</b>", "Ada", "2026-11-01T09:00:00"
    )
    document["verdict"]["accepted"] = [one.to_json()]
    text = written(document, tmp_path).text
    assert re.search(r"Accepted\s*traffic.surface\s*email\s*since 2026-10-30: <b>closed</b>\s*Ada, 2026-11-01", text)
    assert "Accepted" not in written(report(), tmp_path).text
