from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.errors import StudyError
from benchmarks.studies.evaluation import Evaluation, Line, Truth
from models.graph.fakes import fake_graph
from tests.benchmarks.studies.small import stored_graph

TASK = "click"


def truth() -> Truth:
    return Truth.of(fake_graph(members=20, items=24, impressions=3000), "test")


def line(name: str, *fits: np.ndarray) -> Line:
    both = [np.repeat(fit[:, None], 2, axis=1) for fit in fits]
    return Line(name, {"as_of": both, "frozen": both}, [])


def evaluation(**lines: list[np.ndarray]) -> Evaluation:
    of = truth()
    return Evaluation(of, {name: line(name, *fits) for name, fits in lines.items()}, draws=50)


def test_a_paired_difference_is_what_it_was_made_to_be() -> None:
    """Knowing the label against knowing nothing: .5 of AUC and ln 2 - ln(1 / .9) of log loss, in every draw."""
    click = truth().labels[:, 0]
    knows, blind = 0.1 + 0.8 * click, np.full(len(click), 0.5)
    found = evaluation(knows=[knows, knows], blind=[blind, blind], half=[knows, blind])
    for metric in ("auc", "gauc"):
        gap = found.difference("knows", "blind", metric, TASK)  # type: ignore[arg-type]
        assert (gap.value, gap.low, gap.high) == pytest.approx((0.5, 0.5, 0.5))
    loss = found.difference("knows", "blind", "log_loss", TASK)
    assert (loss.value, loss.low, loss.high) == pytest.approx((-np.log(0.9) - np.log(2),) * 3)
    assert loss.rows == len(click)
    assert len(loss.by_seed) == 2
    assert loss.spread == 0
    # The mean of the seeds' metrics, .75, not the metric of their mean score, which would be 1.
    assert found.metric("half", "auc", TASK).value == pytest.approx(0.75)
    assert found.metric("half", "auc", TASK).by_seed == (1.0, 0.5)
    assert found.difference("half", "blind", "auc", TASK).value == pytest.approx(0.25)
    mean = found.mean_difference([("knows", "blind", None), ("half", "blind", None)], "auc", TASK)
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.375,) * 3)


def test_pairing_takes_off_what_both_share() -> None:
    click, random = truth().labels[:, 0], np.random.default_rng(0)
    first = random.random(len(click)) + 0.5 * click
    second = first + 0.01 * random.random(len(click))
    found = evaluation(first=[first], second=[second])
    alone, gap = found.metric("first", "auc", TASK), found.difference("second", "first", "auc", TASK)
    assert (gap.high - gap.low) < (alone.high - alone.low) / 10
    assert found.difference("first", "first", "auc", TASK).high == 0


def test_lines_are_compared_where_both_say_something() -> None:
    of = truth()
    click, email = of.labels[:, 0], of.parts["surface"]["email"]
    random = np.random.default_rng(1).random(len(click))
    found = evaluation(all=[random], own=[np.where(email, click, np.nan)])
    gap = found.difference("own", "all", "auc", TASK)
    assert gap.rows == int(email.sum())
    assert gap == found.difference("own", "all", "auc", TASK, email)
    assert gap.value == pytest.approx(1 - found.metric("all", "auc", TASK, email).value)
    elsewhere = found.difference("own", "all", "auc", TASK, ~email)
    assert np.isnan([elsewhere.value, elsewhere.low, elsewhere.high]).all()


def test_a_state_or_a_task_without_scores_is_no_number() -> None:
    of = truth()
    blind = np.full(of.labels.shape, 0.5)
    fresh = Line("fresh", {"as_of": [blind]}, [])
    one = Line("one", {"as_of": [np.stack([blind[:, 0], np.full(len(blind), np.nan)], axis=1)]}, [])
    found = Evaluation(of, {"fresh": fresh, "one": one}, draws=5)
    assert np.isnan(found.metric("fresh", "gauc", TASK).value)
    assert np.isnan(found.difference("one", "fresh", "auc", "dwell").value)
    joined = fresh.joined(Line("fresh", {"frozen": [blind]}, []))
    assert Evaluation(of, {"fresh": joined}, draws=5).metric("fresh", "gauc", TASK).value == 0.5


def test_unknown_members_are_not_one_member(tmp_path: Path) -> None:
    graph = stored_graph(tmp_path)
    unknown = replace(graph, seeds=replace(graph.seeds, member=graph.seeds.member * 0 - 1))
    assert len(np.unique(Truth.of(unknown, "test").member)) == len(graph.seeds.rows("test"))


def test_an_empty_window_is_reported() -> None:
    graph = fake_graph()
    with pytest.raises(StudyError, match="expected impressions to score; found none"):
        Truth.of(graph, "graph")
