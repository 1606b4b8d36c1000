"""No fit reads a label before it was known: what settles after its windows' end changes nothing, bit for bit."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import filters
from models.baselines.fit import BASELINES, fit_baseline
from models.baselines.trees import fit_floor
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.time_units import HOUR
from models.training.fit import fit
from models.training.labels import known
from serving.versions.prior import Prior
from tests.models.baselines import small
from tests.models.baselines.test_trees import SPEC, frame
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.test_train import files


@cache
def baseline_graph() -> TemporalGraph:
    return small.small_graph()


def end() -> int:
    return small_graph().schema.window("validate").end


def settling_late(graph: TemporalGraph, hours: int = 30) -> TemporalGraph:
    """The outcomes of the last hours of validate settle in the gate window, and some do so at its very start."""
    seeds = graph.seeds
    late = (seeds.time > end() - hours * HOUR) & (seeds.time < end())
    settled = torch.where(late, end() + (torch.arange(len(seeds)) % 3) * HOUR, seeds.settled)
    return replace(graph, seeds=replace(seeds, settled=settled))


KINDS = {
    "plain": TRAINING,
    "frozen": replace(TRAINING, state="frozen"),
    "adaptive": replace(TRAINING, adaptive_neighbours=True, epochs=4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_that_settles_in_the_gate_window_changes_no_bit_of_the_ranker(kind: str, tmp_path: Path) -> None:
    graph = settling_late(small_graph())
    for name, given_graph in (("whole", graph), ("ended", small.ended_at(graph, end()))):
        fit(given_graph, MODEL, KINDS[kind], tmp_path / name, device="cpu")
    assert files(tmp_path / "whole") == files(tmp_path / "ended")


@pytest.mark.parametrize("name", BASELINES)
def test_a_label_that_settles_in_the_gate_window_changes_no_baseline(name: str) -> None:
    graph, config = (
        settling_late(baseline_graph()),
        TrainingConfig(epochs=3, patience=3, batch_size=64, learning_rate=0.02),
    )
    rows = graph.seeds.rows("test")
    whole, ended = (fit_baseline(name, g, config, "cpu") for g in (graph, small.ended_at(graph, end())))
    np.testing.assert_array_equal(whole.predict(graph, rows), ended.predict(graph, rows))


@settings(max_examples=20, deadline=None)
@given(st.integers(-3, 3), st.sampled_from(["train", "validate"]))
def test_a_label_is_known_strictly_before_the_end(hours: int, window: str) -> None:
    ended, first = baseline_graph().schema.window(window).end, baseline_graph().seeds.rows(window)[0]
    settled = baseline_graph().seeds.settled.clone()
    settled[first] = ended + hours * HOUR
    found = known(replace(baseline_graph(), seeds=replace(baseline_graph().seeds, settled=settled)), (window,))
    assert (first in found) == (hours < 0)


@pytest.mark.parametrize("window", ["train", "validate"])
def test_clicks_that_settle_early_are_not_known_more_often(window: str) -> None:
    day, seeds = 24 * HOUR, baseline_graph().seeds
    settled = seeds.time + torch.where(seeds.labels[:, 0] == 1, HOUR // 60, day)
    graph = replace(baseline_graph(), seeds=replace(seeds, settled=settled))
    rows = seeds.rows(window)
    expected = rows[seeds.time[rows] < baseline_graph().schema.window(window).end - day]
    assert len(expected) < len(rows)
    assert known(graph, (window,)).tolist() == expected.tolist()


def late_frame() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A training set, and the same with other outcomes where they settled at or after the end of their window."""
    given_frame = frame(SPEC, rows=1200)
    ends = pd.Series({name: SPEC.span(name).end for name in ("train", "validate", "test")})
    end = pd.to_datetime(given_frame["window"].map(ends), unit="us", utc=True)
    place = np.arange(len(given_frame)) % 4
    given_frame[SPEC.impressions.settled] = end + pd.to_timedelta(place - 2, unit="h")
    given_frame[SPEC.impressions.time] = given_frame[SPEC.impressions.settled] - pd.Timedelta(3, unit="h")
    given_frame[SPEC.impressions.item.column] = np.arange(len(given_frame)) % 7
    changed = given_frame.copy()
    for outcome in SPEC.impressions.outcomes:
        changed[outcome] = np.where(place >= 2, 1 - changed[outcome], changed[outcome])
    return given_frame, changed


def test_a_label_that_settles_after_its_window_changes_neither_floor_nor_prior(tmp_path: Path) -> None:
    priors, floors = [], []
    for number, given_frame in enumerate(late_frame()):
        assert filters.settled(SPEC, given_frame).sum() == len(given_frame) / 2
        floors.append(fit_floor(given_frame, SPEC, threads=1).predict(given_frame))
        (tmp_path / str(number)).mkdir()
        given_frame.to_parquet(tmp_path / str(number) / "impressions.parquet")
        priors.append(Prior.fit(SPEC, tmp_path / str(number)).probabilities(range(8)))
    for task in SPEC.tasks:
        np.testing.assert_array_equal(floors[0][task], floors[1][task])
        np.testing.assert_array_equal(priors[0][task], priors[1][task])


def test_an_outcome_that_never_settled_is_unknown_and_no_rows_are_no_error() -> None:
    given_frame, _ = late_frame()
    given_frame[SPEC.impressions.settled] = pd.NaT
    assert not filters.settled(SPEC, given_frame).any()
    assert len(filters.settled(SPEC, given_frame.head(0))) == 0
