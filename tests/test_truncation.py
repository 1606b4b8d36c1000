"""No input of a row knows what came later: the log is cut at a moment, or outcomes still open then are turned over.

Through the whole road: tables, counters, feature store, retrieval, graph, and the batch that the model gets. Scales and
vocabularies are fitted once, on the whole log. Moments lie on a coarse grid, so that ties at the moment are the rule.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from feature_repo.apply import apply
from feature_repo.counters import count
from feature_repo.retrieve import retrieve
from feature_repo.store import open_store
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.graph.tree import Branch, Tree
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.training.batches import Batches
from models.training.slices import one_each
from tests.feature_repo import tiny

SPEC = tiny.TEXT.replace("  click: {label: click, primary: true}\n", """\
  click: {label: click, primary: true}
measures:
  dwelt: {column: dwell, scale: 20}
""").replace("outcomes: [click]", "outcomes: [click, dwell]").replace("edges:\n", """\
edges:
  clicked: &outcome
    table: impressions
    source: {node: member, column: member}
    target: {node: post, column: post_id}
    time: settled_time
    kind: engagement
    domain: feed
    filter: {click: [1]}
    attributes: {surface: category, dwell: number}
    fan_out: [3, 2]
  skipped:
    <<: *outcome
    filter: {click: [0]}
  made_by:
    table: makers
    source: {node: post, column: post_id}
    target: {node: company, column: company_id}
    time: time
    kind: intrinsic
    domain: feed
    fan_out: [2, 2]
  knows:
    table: connections
    source: {node: member, column: member_id}
    target: {node: member, column: friend_id}
    time: time
    kind: affinity
    domain: feed
    weigh_by: common_neighbours
    fan_out: [2, 2]
""").replace("counters:\n", """\
affinities:
  fan_of: {engagement: liked, creation: made_by, at_least: 2, within_days: 3, fan_out: [2, 1]}
densification:
  alike: {node: post, feature: embedding, degree_of: liked, fan_out: [2, 1]}
counters:
  lately: {keys: [member], window: 1d, last: 2, recency: true}
  by_topic: {keys: [member, topic], last: 1}
  post_lately: {keys: [item], window: 6h, recency: true}
  by_surface: {keys: [surface], window: 2d}
""") + "training: {member_lag_days: 2}\n"  # fmt: skip
SLOT = pd.Timedelta(hours=3)
SLOTS = tiny.DAYS * 8
TIMES = {
    **dict.fromkeys(("impressions", "likes", "makers", "connections"), "time"),
    **dict.fromkeys(("member_profiles", "member_recent", "posts", "companies"), "valid_from"),
}
"""Table -> when a row of it is known."""
Log = dict[str, pd.DataFrame]
Change = Callable[[Log, pd.Timestamp, int], Log]


def the_log() -> Log:
    """Three hundred impressions, settled at once to a day later; likes, connections, makers, versions."""
    random = np.random.default_rng(0)

    def moments(rows: int, first: int = 0) -> pd.Series:
        return pd.Series(pd.Timestamp(tiny.START) + np.sort(random.integers(first, SLOTS, rows)) * SLOT)

    def any_of(values: Any, rows: int) -> np.ndarray:
        return random.choice(np.array(list(values)), rows)

    def versions(key: str, values: Any, rows: int, **columns: Any) -> pd.DataFrame:
        """Each once before the log begins, then some again."""
        owner = np.concatenate([np.array(list(values)), any_of(values, rows)])
        since = pd.concat([pd.Series([pd.Timestamp(tiny.START) - SLOT] * len(values)), moments(rows)])
        filled = {name: make(len(owner)) for name, make in columns.items()}
        return pd.DataFrame({key: owner, "valid_from": since.to_numpy(), **filled})

    shown = moments(300)
    delay = any_of([0, 0, 1, 2, 8], 300) * SLOT + any_of([0, 0, 7], 300) * pd.Timedelta(seconds=1)
    impressions = {
        "impression_id": random.permutation(300) + 2**53 + 1,
        "member": any_of([*tiny.MEMBERS, 99], 300),
        "post_id": any_of(tiny.POSTS, 300),
        "surface": any_of(tiny.SURFACES, 300),
        "time": shown,
        "settled_time": shown + delay,
        "place": random.integers(0, 9, 300),
        "device": any_of(["phone", "web"], 300),
        "click": random.integers(0, 2, 300),
        "dwell": random.integers(0, 21, 300),
    }
    profiles = versions(
        "member_id", tiny.MEMBERS, 12, seniority=random.random, country=lambda rows: any_of(["c0", "c1"], rows)
    )
    contents = {
        "topic": lambda rows: any_of(["t0", "t1"], rows),
        "title": lambda rows: any_of(["big news", "small talk"], rows),
        "embedding": lambda rows: list(random.random((rows, 3)).astype(np.float32)),
    }
    return {
        "impressions": pd.DataFrame(impressions),
        "member_profiles": profiles.assign(written=profiles["valid_from"]),
        "member_recent": versions("member_id", tiny.MEMBERS, 12, streak=random.random),
        "posts": versions("post_id", tiny.POSTS, 6, **contents),
        "companies": versions("company_id", tiny.COMPANIES, 6, size=random.random),
        "likes": pd.DataFrame(
            {"member_id": any_of(tiny.MEMBERS, 80), "post_id": any_of(tiny.POSTS, 80), "time": moments(80)}
        ),
        "makers": pd.DataFrame(
            {"post_id": any_of(tiny.POSTS, 12), "company_id": any_of(tiny.COMPANIES, 12), "time": moments(12)}
        ),
        "connections": pd.DataFrame(
            {"member_id": any_of(tiny.MEMBERS, 30), "friend_id": any_of(tiny.MEMBERS, 30), "time": moments(30)}
        ),
    }


LOG = the_log()


def cut(log: Log, moment: pd.Timestamp, last: int) -> Log:
    """What was there when the impression ``last`` was asked for at ``moment``: everything before, and itself."""
    kept = {name: frame[frame[TIMES[name]] < moment] for name, frame in log.items()}
    shown = log["impressions"]
    kept["impressions"] = shown[(shown["time"] < moment) | (shown["impression_id"] == last)]
    return kept


def turned(log: Log, moment: pd.Timestamp, last: int) -> Log:
    """Every outcome that had not settled before ``moment``, also that of ``last``: another one, known later."""
    shown = log["impressions"]
    still_open = shown["settled_time"] >= moment
    other = shown.assign(click=1 - shown["click"], dwell=20 - shown["dwell"], settled_time=shown["settled_time"] + SLOT)
    return {**log, "impressions": shown.where(~still_open, other).astype(shown.dtypes)}


class Road:
    """From tables to what the model gets."""

    def __init__(self, folder: Path, text: str = SPEC) -> None:
        self.folder, self.spec = folder, tiny.tiny_spec(text)
        self.store: Any = open_store(tiny.CONFIG, folder / "state")
        self._write(LOG)
        apply(self.store, self.spec, folder / "tables", folder / "state")
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


def tree_inputs(encoded: EncodedGraph, tree: Tree) -> Iterator[tuple[str, Tensor]]:
    """The seeds' own inputs, then those of every place of the tree."""
    yield from node_inputs(encoded, tree.node, tree.index, tree.time, tree.index >= -1)
    levels = [("", tree.branches)]
    while levels:
        above, branches = levels.pop()
        for edge, branch in branches.items():
            for name, value in branch_inputs(encoded, edge, branch):
                yield f"{above}{edge} {name}", value
            levels.append((f"{above}{edge} / ", branch.branches))


def branch_inputs(encoded: EncodedGraph, edge: str, branch: Branch) -> Iterator[tuple[str, Tensor]]:
    for name in ("mask", "edge_time", "weight", "delta"):
        yield name, getattr(branch, name)
    yield from end_inputs(encoded, edge, branch.index, branch.row, branch.time, branch.mask)


def end_inputs(
    encoded: EncodedGraph, edge: str, index: Tensor, row: Tensor, time: Tensor, mask: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """What an edge says, and the node that it leads to as of ``time``; zeros where masked."""
    said = encoded.edges[edge]
    yield "attributes", (said.numbers[row * mask] * mask.unsqueeze(-1))
    yield "attribute categories", (said.categories[row * mask] * mask.unsqueeze(-1))
    yield from node_inputs(encoded, encoded.graph.schema.edge(edge).target, index, time, mask)


def node_inputs(
    encoded: EncodedGraph, node: str, index: Tensor, time: Tensor, mask: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Key and features of nodes as of ``time``; zeros where masked."""
    inputs = encoded.nodes[node]
    state = encoded.state(node, torch.where(mask, index, -1), time) - inputs.first
    yield "key", inputs.id_hash[state] * mask
    yield "features", inputs.numbers[state] * mask.unsqueeze(-1)
    yield "categories", inputs.categories[state] * mask.unsqueeze(-1)


def equal(one: Tensor, other: Tensor) -> bool:
    """Equal, but for the last bits of scaled numbers: a logarithm's depend on how many are taken at once."""
    if one.is_floating_point():
        return torch.allclose(one, other, rtol=0, atol=1e-6, equal_nan=True)
    return torch.equal(one, other)


def microseconds(moment: pd.Timestamp) -> int:
    return tiny.microseconds(moment.to_pydatetime())


def asked() -> tuple[list[int], list[int]]:
    """The rows of the training set by their keys, in order of time, and those whose member liked at the same moment."""
    start = pd.Timestamp(tiny.tiny_spec(SPEC).span("train").start, unit="us", tz="UTC")
    shown = LOG["impressions"][LOG["impressions"]["time"] >= start]
    tied = shown.merge(LOG["likes"], left_on=["member", "time"], right_on=["member_id", "time"])
    return shown["impression_id"].tolist(), tied["impression_id"].drop_duplicates().tolist()


ASKED, TIED = asked()


def time_of(key: int) -> pd.Timestamp:
    shown = LOG["impressions"]
    return shown.loc[shown["impression_id"] == key, "time"].item()


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    return Road(tmp_path_factory.mktemp("road"))


@settings(max_examples=3, deadline=None, phases=[Phase.generate])  # a smaller key is no simpler
@given(key=st.sampled_from(ASKED) | st.sampled_from(TIED))
def test_what_is_cut_off_changes_no_input_of_an_earlier_row(road: Road, key: int) -> None:
    assert road.changed(cut(LOG, time_of(key), key), time_of(key)) == []


@settings(max_examples=3, deadline=None, phases=[Phase.generate])  # a smaller key is no simpler
@given(key=st.sampled_from(ASKED) | st.sampled_from(TIED))
def test_outcomes_that_have_not_settled_change_no_input(road: Road, key: int) -> None:
    assert road.changed(turned(LOG, time_of(key), key), time_of(key)) == []


def found(road: Road, change: Change) -> set[str]:
    """The inputs that a change gives away, at a few moments with ties."""
    return {name for key in TIED[:2] for name in road.changed(change(LOG, time_of(key), key), time_of(key))}


@pytest.mark.parametrize(
    ("place", "leaking", "told"),
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
    road: Road, monkeypatch: pytest.MonkeyPatch, place: str, leaking: Any, told: set[str]
) -> None:
    """Visibility up to and including the moment: the tests above would see it."""
    monkeypatch.setattr(place, leaking)
    monkeypatch.setattr(road, "whole", road.graph(LOG))
    assert told <= found(road, cut)


def test_outcomes_seen_before_they_settle_are_found(tmp_path: Path) -> None:
    """Edges and counters that know an outcome as soon as the impression is shown: the tests above would see it."""
    text = SPEC.replace("settled_time", "time").replace("impressions:\n", "impressions:\n  settled: time\n")
    names = found(Road(tmp_path, text), turned)
    assert {"numbers", "frozen_numbers", "as_of: activities edge", "as_of: item rev_clicked attributes"} <= names
