"""AUC differences: their bounds against a plain bootstrap in numpy, and which bound and margin each check compares."""

import numpy as np
import pytest

from models import metrics
from models.bootstrap import UserBootstrap
from models.spec.gate import TaskBounds
from monitoring.ahead import SEED
from monitoring.differences import Differences, figures
from monitoring.predictions import Scored, defined
from tests.monitoring.fakes import fake_predictions, small_spec

GATE = {"margin": 0.01, "floor_margin": 0.02, "other_margin": 0.03, "confidence": 0.6, "bootstraps": 60}
SPEC = small_spec().model_copy(
    update={"gate": small_spec().gate.model_copy(update={**GATE, "tasks": {"like": TaskBounds(margin=0.05)}})}
)


def scored() -> Scored:
    return defined(SPEC, fake_predictions(SPEC, rows=300, members=40), "gate", "as_of", "click")


def drawn(rows: Scored, scorer: str) -> np.ndarray:
    """AUC of the rows of each draw of members, by repeating rows."""
    _, member = np.unique(rows.members, return_inverse=True)
    times = UserBootstrap(rows.members, SPEC.gate.bootstraps, SEED).weights[member].astype(int)
    return np.array([metrics.auc(np.repeat(rows.labels, n), np.repeat(rows.scores[scorer], n)) for n in times.T])


def test_intervals_are_two_sided_and_bounds_of_differences_one_sided() -> None:
    rows = scored()
    found = Differences(SPEC, "click", rows)
    candidate, floor = drawn(rows, "candidate"), drawn(rows, "trees")
    area, difference = found.area("candidate"), found.against("trees")
    assert [area["low"], area["high"]] == pytest.approx(np.quantile(candidate, [0.025, 0.975]))
    assert [difference["low"], difference["high"]] == pytest.approx(np.quantile(candidate - floor, [0.4, 0.6]))
    assert difference["auc"] == pytest.approx(
        metrics.auc(rows.labels, rows.scores["candidate"]) - metrics.auc(rows.labels, rows.scores["trees"])
    )
    assert figures(found, {"trees": "trees"}) == {"trees": {**found.area("trees"), "difference": difference}}


class Given(Differences):
    """Differences with given bounds."""

    def __init__(self, task: str, low: float, auc: float, high: float) -> None:
        super().__init__(SPEC, task, scored())
        self._given = {"low": low, "auc": auc, "high": high}

    def against(self, scorer: str) -> dict[str, float]:
        return self._given


@pytest.mark.parametrize(
    ("low", "auc", "high", "blocks"), [(-0.01, 0.0, 0.1, False), (-0.011, 0.0, 0.1, True), (0.0, 0.01, 0.1, False)]
)
def test_the_lower_bound_of_the_primary_task_is_compared_with_its_margin(
    low: float, auc: float, high: float, blocks: bool
) -> None:
    finding = Given("click", low, auc, high).not_worse("trees", "trees")
    assert finding.blocks is blocks
    assert "below the margin of -0.0100" in finding.sentence
    assert ("not below" in finding.sentence) is not blocks
    assert ("rows are too few to be sure" in finding.sentence) is blocks
    worse = Given("click", -0.3, -0.02, 0.1).not_worse("trees", "trees")
    assert worse.blocks
    assert worse.sentence.endswith("the margin of -0.0100.")


@pytest.mark.parametrize(
    ("task", "high", "blocks"),
    [("like", -0.05, False), ("like", -0.051, True), ("click", -0.03, False), ("click", -0.031, True)],
)
def test_the_upper_bound_of_another_task_is_compared_with_its_own_margin(task: str, high: float, blocks: bool) -> None:
    assert Given(task, -0.3, -0.2, high).not_harmed("trees", "trees").blocks is blocks


@pytest.mark.parametrize(("auc", "blocks"), [(0.0, False), (-0.02, False), (-0.0201, True)])
def test_the_difference_from_the_floor_itself_is_compared_with_the_floor_margin(auc: float, blocks: bool) -> None:
    assert Given("click", -0.3, auc, -0.1).above_floor().blocks is blocks


def test_a_figure_outside_its_own_interval_blocks() -> None:
    def outside(candidate: np.ndarray, floor: np.ndarray) -> list[str]:
        found = Differences(SPEC, "click", scored())
        areas = [metrics.auc(scored().labels, scored().scores[name]) for name in ("candidate", "trees")]
        found._drawn = {"candidate": areas[0] + candidate, "trees": areas[1] + floor}
        findings = found.outside_intervals(["trees"])
        assert all(finding.blocks for finding in findings)
        return [finding.sentence.split(" is ")[0].removeprefix("The click ") for finding in findings]

    wide = np.linspace(-0.1, 0.2, 61)
    assert outside(wide, wide) == []
    assert outside(wide, wide + 0.2) == ["AUC of the trees", "difference from the trees"]
    assert outside(wide + 0.2, wide + 0.2) == ["AUC of the candidate", "AUC of the trees"]
    assert outside(wide, wide + np.linspace(-0.05, -0.01, 61)) == ["difference from the trees"]
    near_the_edge = np.linspace(-0.1, 0.9, 61)  # 0 is within 95 % of these draws, not within the gate's 60 %
    assert outside(near_the_edge, near_the_edge) == []
    assert outside(near_the_edge, np.zeros(61)) == []


def test_a_figure_at_the_edge_of_its_interval_is_inside() -> None:
    found = Differences(SPEC, "click", scored())
    areas = [metrics.auc(scored().labels, scored().scores[name]) for name in ("candidate", "trees")]
    for beyond, outside in ((0.0, False), (5e-10, False), (-5e-10, False), (2e-9, True), (-2e-9, True)):
        found._drawn = {"candidate": np.full(9, areas[0] + beyond), "trees": np.full(9, areas[1] + beyond)}
        found._areas = {}
        sentences = [finding.sentence for finding in found.outside_intervals(["trees"])]
        assert len(sentences) == (2 if outside else 0)
        if outside:
            assert sentences[0] == (
                f"The click AUC of the candidate is {areas[0]:.4f}, outside its own interval [{areas[0] + beyond:.4f}, "
                f"{areas[0] + beyond:.4f}]: the bootstrap does not describe these rows."
            )


@pytest.mark.parametrize("worse", [False, True])
def test_every_comparison_is_reported_in_a_sentence(worse: bool) -> None:
    bound, word = (-0.2, "below") if worse else (0.0123, "not below")
    found = Given("like", bound, bound, bound)
    areas = [metrics.auc(scored().labels, scored().scores[name]) for name in ("candidate", "trees")]
    compared = (
        f"like AUC {areas[0]:.4f} against {areas[1]:.4f} of the trees: a difference of {areas[0] - areas[1]:+.4f}"
    )
    assert found.not_worse("trees", "trees").sentence == (
        f"{compared}, at least {bound:+.4f} with 60% confidence, which is {word} the margin of -0.0100."
    )
    assert found.not_harmed("trees", "trees").sentence == (
        f"{compared}, at most {bound:+.4f} with 60% confidence, which is {word} the margin of -0.0500."
    )
    assert found.above_floor().sentence == f"{compared}: {word} the floor by more than 0.02."
    found._gate = SPEC.gate.model_copy(update={"floor_margin": 0.0})
    assert found.above_floor().sentence.endswith(f": {word} the floor.")
