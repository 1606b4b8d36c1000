"""No input of a row depends on later events: the log is cut at a moment, or outcomes still open then are flipped.

Covers tables, counters, feature store, retrieval, graph, and the batch that the model gets. Scales and vocabularies are
fitted once, on the whole log. Times are on a coarse grid, so that there are ties at every moment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from feature_repo.counters import count
from feature_repo.retrieve import retrieve
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.training.batches import Batches
from models.training.slices import one_each
from tests.feature_repo import tiny
from tests.history import LOG, Change, Log, cut, parts, turned
from tests.models.model_inputs import end_inputs, equal, tree_inputs

pytestmark = pytest.mark.long(25)


class Pipeline:
    """From tables to the inputs of the model."""

    def __init__(self, folder: Path, settled: str = "settled_time") -> None:
        self.folder, self.spec = folder, tiny.tiny_spec(**parts(settled))
        self.store: Any = tiny.store_of(self.spec, folder / "state")
        self._write(LOG)
        tiny.apply_tables(self.store, self.spec, folder / "tables", folder / "state")
        self.whole = self.graph(LOG)
        self.encoding = Encoding.fit(self.whole, until=self.spec.span("test").end)

    def graph(self, log: Log) -> TemporalGraph:
        self._write(log)
        tables, training = self.folder / "tables", self.folder / "training"
        retrieve(self.store, self.spec, tables, training)
        build_graph(self.spec, tables, training, self.folder / "graph")
        return TemporalGraph.load(self.folder / "graph")

    def _write(self, log: Log) -> None:
        for name, frame in log.items():
            tiny.write(self.folder / "tables", name, frame)
        count(self.spec, self.folder / "tables", self.folder / "tables")

    def changed(self, log: Log, moment: pd.Timestamp) -> list[str]:
        """The inputs of rows up to ``moment``, as far as they are in ``log``, that another log changes."""
        other = self.graph(log)
        upto = other.seeds.keys.take(np.flatnonzero(other.seeds.time.numpy() <= microseconds(moment)))
        assert len(upto) > 0
        before, after = (dict(self._inputs(graph, upto)) for graph in (self.whole, other))
        assert before.keys() == after.keys()
        return [name for name in before if not equal(before[name], after[name])]

    def _inputs(self, graph: TemporalGraph, keys: Any) -> Iterator[tuple[str, Tensor]]:
        """Everything that the model reads of the seeds ``keys``, with nodes by key."""
        rows = torch.from_numpy(pd.Index(graph.seeds.keys.to_numpy()).get_indexer(keys.to_numpy()))
        encoded = encode_graph(self.encoding, self.whole.schema, graph)
        for name in ("numbers", "frozen_numbers", "frozen_time"):
            yield name, getattr(graph.seeds, name)[rows]
        for state in ("as_of", "frozen"):
            batch = Batches(encoded, activities=6).make(one_each(rows), state)
            for name in ("member_time", "age", "numbers", "categories", "surface", "hour", "weekday", "state_age"):
                yield f"{state}: {name}", getattr(batch, name)
            for side, tree in (("member", batch.member), ("item", batch.item)):
                for name, value in tree_inputs(encoded, tree):
                    yield f"{state}: {side} {name}", value
            acted = batch.activities
            for name in ("edge", "time", "mask"):
                yield f"{state}: activities {name}", getattr(acted, name)
            for place, edge in enumerate(graph.schema.activity_edges):
                of_type = acted.mask & (acted.edge == place)
                moment = batch.member_time.unsqueeze(1).expand_as(acted.target)
                for name, value in end_inputs(encoded, edge, acted.target, acted.row, moment, of_type):
                    yield f"{state}: activities {edge} {name}", value


def microseconds(moment: pd.Timestamp) -> int:
    return tiny.microseconds(moment.to_pydatetime())


def shown_and_tied() -> tuple[list[int], list[int]]:
    """The rows of the training set by their keys, in order of time, and those whose member liked at the same moment."""
    start = pd.Timestamp(tiny.tiny_spec(**parts()).span("train").start, unit="us", tz="UTC")
    shown = LOG["impressions"][LOG["impressions"]["time"] >= start]
    tied = shown.merge(LOG["likes"], left_on=["member", "time"], right_on=["member_id", "time"])
    return shown["impression_id"].tolist(), tied["impression_id"].drop_duplicates().tolist()


SHOWN, TIED = shown_and_tied()


def time_of(key: int) -> pd.Timestamp:
    shown = LOG["impressions"]
    return shown.loc[shown["impression_id"] == key, "time"].item()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline(tmp_path_factory.mktemp("pipeline"))


@settings(max_examples=3, deadline=None, phases=[Phase.generate])  # a smaller key is no simpler
@given(key=st.sampled_from(SHOWN) | st.sampled_from(TIED))
def test_what_is_cut_off_changes_no_input_of_an_earlier_row(pipeline: Pipeline, key: int) -> None:
    assert pipeline.changed(cut(LOG, time_of(key), key), time_of(key)) == []


@settings(max_examples=3, deadline=None, phases=[Phase.generate])  # a smaller key is no simpler
@given(key=st.sampled_from(SHOWN) | st.sampled_from(TIED))
def test_outcomes_that_have_not_settled_change_no_input(pipeline: Pipeline, key: int) -> None:
    assert pipeline.changed(turned(LOG, time_of(key), key), time_of(key)) == []


def found(pipeline: Pipeline, change: Change) -> set[str]:
    """The inputs that a change gives away, at a few moments with ties."""
    return {name for key in TIED[:2] for name in pipeline.changed(change(LOG, time_of(key), key), time_of(key))}


@pytest.mark.parametrize(
    ("place", "leaking", "expected"),
    [
        (
            "models.graph.timeline.is_before",
            lambda moment, time: moment <= time,
            {"as_of: activities time", "as_of: member liked edge_time"},
        ),
        ("feature_repo.as_of.features.last_visible", lambda time: time, {"numbers", "as_of: numbers"}),
    ],
)
def test_what_is_of_the_moment_itself_is_found(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, place: str, leaking: Any, expected: set[str]
) -> None:
    """Visibility up to and including the moment: the tests above would see it."""
    monkeypatch.setattr(place, leaking)
    monkeypatch.setattr(pipeline, "whole", pipeline.graph(LOG))
    assert expected <= found(pipeline, cut)


def test_outcomes_seen_before_they_settle_are_found(tmp_path: Path) -> None:
    """Edges and counters that know an outcome as soon as the impression is shown: the tests above would see it."""
    names = found(Pipeline(tmp_path, settled="time"), turned)
    assert {"numbers", "frozen_numbers", "as_of: activities edge", "as_of: item rev_clicked attributes"} <= names
