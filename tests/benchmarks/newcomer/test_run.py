"""What the benchmark reads of a run, and its bars."""

import pytest

from benchmarks.newcomer.__main__ import bars_of, figures_of
from benchmarks.newcomer.page import table
from benchmarks.newcomer.run import Compared, Journey, compared, same_keys

BIG = 2**62 + 1


def _metrics(high: float | None) -> dict:
    own = {"rows": 9, "positives": 3, "auc": 0.75}
    ahead = {"auc": {"by": -0.02, "low": -0.05, "high": high}}
    scores = {"candidate": {"click": own}, "trees": {"click": {"auc": 0.77, "ahead": ahead}}}
    return {"windows": {"test": {"scores": {**scores, "popularity": {"click": {"auc": 0.6}}}}}}


@pytest.mark.parametrize(("high", "held"), [(-0.001, False), (0.0, True), (0.03, True), (None, False)])
def test_below_the_trees_is_an_interval_below_zero(high: float | None, held: bool) -> None:
    assert compared(_metrics(high), "click").held is held


def test_without_trees_nothing_is_held() -> None:
    metrics = _metrics(0.1)
    del metrics["windows"]["test"]["scores"]["trees"]
    assert not compared(metrics, "click").held


@pytest.mark.parametrize(
    ("member", "items", "same"),
    [
        (str(BIG), ["5", str(BIG)], True),
        (BIG, ["5", str(BIG)], False),
        (str(BIG), ["5", BIG], False),
        (str(BIG), ["5"], False),
        (str(BIG), ["5", str(BIG + 1)], False),
        (str(float(BIG)), ["5", str(BIG)], False),
    ],
)
def test_an_answer_has_the_keys_of_the_request(member: object, items: list, same: bool) -> None:
    asked = {"member": str(BIG), "items": [str(BIG), "5"]}
    assert same_keys(asked, {"member": member, "slate": [{"item": item} for item in items]}) is same


def test_a_data_set_that_failed_holds_nothing() -> None:
    failed = Journey("news", failed="pipelines check: error: ...")
    assert [bar for bar, held in bars_of(failed).items() if held] == ["news_no_traceback"]
    assert table([failed]).splitlines()[-1].startswith("| news | 0.0 s | 0 s | failed | - |")


def test_every_task_has_a_row_and_its_figures() -> None:
    task = Compared("click", 1_900, 300, 0.75, 0.77, 0.6, -0.02, -0.05, 0.01)
    found = Journey("news", 1.5, 60.0, "promote", answered=True, same_keys=True, tasks=[task])
    assert all(bars_of(found).values())
    assert figures_of(found)["news_click_auc"] == 0.75
    last = "| news | 1.5 s | 60 s | promote | click | 1,900 (300) | .7500 | .7700 | -.0200 [-.0500, +.0100] | .6000 |"
    assert table([found]).splitlines()[-1] == last
    found.tasks.append(Compared("buy", 9, 0, None, None, None, None, None, None))
    assert not bars_of(found)["news_not_below_trees"]
    assert table([found]).splitlines()[-1] == "|  |  |  |  | buy | 9 (0) | - | - | - [-, -] | - |"
