"""PyTorch Geometric's loaders on the temporal graph: nothing at or after a seed's time, and the sampler's own trees."""

import pickle
import re
from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NegativeSampling, NodeSamplerInput

from models.graph import timeline
from models.graph.errors import QueryError
from models.graph.fakes import HOUR, START, fake_graph
from models.graph.hetero import message_type
from models.graph.pyg import TreeSampler, link_loader, node_loader
from models.graph.sample import Sampler
from models.graph.schema import PageRank
from models.graph.store import TemporalGraph
from models.graph.tree import Branch
from tests.models.graph.worlds import varied

worlds = cache(lambda number: fake_graph(members=6, items=7, seed=number, impressions=80))
SHOWN = ("member", "shown", "item")
MOMENT = st.builds(lambda hour, by: START + hour * HOUR + by, st.integers(-150, 540), st.integers(-1, 1))
"""On, just before and just after whole hours, where the edges are; features change at midnight."""


def moments(*hours: int) -> torch.Tensor:
    return torch.tensor([START + hour * HOUR for hour in hours])


def check_batch(graph: TemporalGraph, data: Any, time: torch.Tensor) -> None:
    """Every edge is a stored one strictly before its seed's time; every feature is that of the last version before."""
    for edge in graph.schema.edges:
        store, stored = data[edge.source, edge.name, edge.target], graph.edges[edge.name]
        neighbour, parent = store.edge_index
        assert torch.equal(data[edge.source].batch[neighbour], data[edge.target].batch[parent])
        assert (store.time < time[data[edge.target].batch[parent]]).all()
        assert torch.equal(store.time, stored.time[store.e_id])
        assert torch.equal(store.weight, stored.weight_of(store.e_id))
        source = torch.repeat_interleave(stored.offsets.diff())[store.e_id]
        assert torch.equal(source, data[edge.source].n_id[neighbour])
        assert torch.equal(stored.target[store.e_id].long(), data[edge.target].n_id[parent])
    for name, node in graph.nodes.items():
        store = data[name]
        for place, (index, moment) in enumerate(zip(store.n_id.tolist(), time[store.batch].tolist(), strict=True)):
            rows = range(int(node.version_offsets[index]), int(node.version_offsets[index + 1]))
            before = [row for row in rows if int(node.version_time[row]) < moment]
            assert store.x[place, -1] == bool(before)
            for feature in ("numbers", "categories", "vectors") if before else ():
                found, expected = store[feature][place], getattr(node, feature)[before[-1]]
                torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def check_trees(graph: TemporalGraph, data: Any, node: str, seeds: torch.Tensor, time: torch.Tensor) -> None:
    """The seeds at positions ``seeds`` carry the sampler's own trees, place by place."""
    tree = Sampler(graph).tree(node, data[node].n_id[seeds], time)
    check_places(graph, data, seeds.tolist(), tree.branches)


def check_places(graph: TemporalGraph, data: Any, parents: list[int | None], branches: dict[str, Branch]) -> None:
    """``parents``: positions of a branch's places, None where masked."""
    for name, branch in branches.items():
        key = message_type(graph.schema, name)
        store, children = data[key], defaultdict(list)
        for edge, (neighbour, parent) in enumerate(store.edge_index.T.tolist()):
            children[parent].append((edge, neighbour))
        places: list[int | None] = []
        for number, parent in enumerate(parents):
            found = children[parent] if parent is not None else []
            mask = branch.mask[number]
            assert data[key[0]].n_id[[place for _, place in found]].tolist() == branch.index[number][mask].tolist()
            edges = [edge for edge, _ in found]
            assert store.delta[edges].tolist() == branch.delta[number][mask].tolist()
            assert store.weight[edges].tolist() == branch.weight[number][mask].tolist()
            left = iter(place for _, place in found)
            places += [next(left) if there else None for there in mask.tolist()]
        check_places(graph, data, places, branch.branches)


@given(st.data(), st.sampled_from(["member", "item"]))
@settings(max_examples=25, deadline=None)
def test_node_batches_are_trees_of_the_past(data: st.DataObject, node: str) -> None:
    graph = worlds(data.draw(st.integers(0, 4)))
    index = data.draw(st.lists(st.integers(0, graph.schema.node(node).count - 1), min_size=1, max_size=5))
    time = torch.tensor(data.draw(st.lists(MOMENT, min_size=len(index), max_size=len(index))))
    (batch,) = node_loader(Sampler(graph), node, torch.tensor(index), time, batch_size=5)
    assert batch[node].n_id[: len(index)].tolist() == index
    assert batch[node].batch[: len(index)].tolist() == list(range(len(index)))
    assert torch.equal(batch[node].seed_time, time)
    check_batch(graph, batch, time)
    check_trees(graph, batch, node, torch.arange(len(index)), time)


@given(st.data(), st.sampled_from([None, "binary", "triplet"]), st.sampled_from(["member", "item"]))
@settings(max_examples=25, deadline=None)
def test_pair_batches_are_two_trees_of_the_past(data: st.DataObject, mode: str | None, target: str) -> None:
    """Also where both ends are of one type."""
    graph = worlds(data.draw(st.integers(0, 4)))
    count = data.draw(st.integers(1, 4))
    ends = [st.lists(st.integers(0, 5), min_size=count, max_size=count) for _ in range(2)]
    pairs = torch.tensor([data.draw(end) for end in ends])
    time = torch.tensor(data.draw(st.lists(MOMENT, min_size=count, max_size=count)))
    first_nodes = max(int(graph.nodes[node].version_time.min()) for node in ("member", target))
    assume(mode is None or int(time.min()) > first_nodes)  # before, there is nobody to draw: test_negatives
    edge = ("member", "shown", target)
    negatives = None if mode is None else NegativeSampling(mode, 2)
    (batch,) = link_loader(Sampler(graph), edge, pairs, time, batch_size=5, neg_sampling=negatives)
    check_batch(graph, batch, time)
    if mode == "triplet":
        first, second = batch["member"].src_index, batch[target].dst_pos_index
        negative = batch[target].dst_neg_index
        assert negative.shape == (count, 2)
        assert torch.equal(batch[target].batch[negative], torch.arange(count).unsqueeze(1).expand(-1, 2))
        check_trees(graph, batch, target, negative.flatten(), time.repeat_interleave(2))
        every, moment = second, time
    else:
        first, second = batch[edge].edge_label_index
        moment, every = batch[edge].edge_label_time, second
        assert torch.equal(moment, time.repeat(1 if mode is None else 3))
        if mode == "binary":
            assert batch[edge].edge_label.tolist() == [1.0] * count + [0.0] * 2 * count
    assert torch.equal(batch["member"].n_id[first][:count], pairs[0])
    assert torch.equal(batch[target].n_id[every][:count], pairs[1])
    check_trees(graph, batch, "member", first, moment)
    check_trees(graph, batch, target, every, moment)


def test_an_edge_at_the_very_moment_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above are worth something: with <= for < they fail."""
    graph = worlds(0)
    time = graph.edges["clicked"].time[:5].clone()
    index = torch.repeat_interleave(graph.edges["clicked"].offsets.diff())[:5]
    (batch,) = node_loader(Sampler(graph), "member", index, time, batch_size=5)
    check_batch(graph, batch, time)
    monkeypatch.setattr(timeline, "is_before", lambda moment, time: moment <= time)
    (batch,) = node_loader(Sampler(graph), "member", index, time, batch_size=5)
    with pytest.raises(AssertionError):
        check_batch(graph, batch, time)


def test_workers_and_repetition_change_nothing() -> None:
    graph = worlds(1)
    time = moments(*range(100, 400, 30))
    options = {"index": torch.arange(10) % 6, "time": time, "batch_size": 4}
    batches = [list(node_loader(Sampler(graph), "member", **options, num_workers=n)) for n in (0, 0, 2)]
    assert len(batches[0]) == 3
    for other in batches[1:]:
        for one, two in zip(batches[0], other, strict=True):
            assert one.metadata() == two.metadata()
            for store in one.stores:
                for name, value in store.items():
                    same = two[store._key][name]
                    if isinstance(value, torch.Tensor):
                        torch.testing.assert_close(same, value, rtol=0, atol=0, equal_nan=True)
                    else:
                        assert same == value


def test_a_sampler_travels_to_another_process() -> None:
    sampler = TreeSampler(Sampler(worlds(0)))
    assert isinstance(sampler, BaseSampler)
    query = NodeSamplerInput(torch.arange(2), torch.tensor([0, 3]), moments(300, 301), "member")
    one, two = (each.sample_from_nodes(query) for each in (sampler, pickle.loads(pickle.dumps(sampler))))
    assert all(torch.equal(one.node[name], two.node[name]) for name in one.node)
    assert all(torch.equal(one.edge[name], two.edge[name]) for name in one.edge)


def test_seeds_before_all_data_and_no_seeds_have_empty_trees() -> None:
    sampler = TreeSampler(Sampler(worlds(0)))
    for count, hour in ((2, -10_000), (0, 300)):
        node, time = torch.arange(count), moments(hour).repeat(count)
        found = sampler.sample_from_nodes(NodeSamplerInput(node, node, time, "member"))
        assert found.node["member"].tolist() == list(range(count))
        assert not any(len(row) for row in found.row.values())
        pairs = EdgeSamplerInput(node, node, node, None, time, SHOWN)
        assert not any(len(row) for row in sampler.sample_from_edges(pairs).row.values())
    assert len(sampler.sample_from_edges(pairs, NegativeSampling("binary")).metadata[2]) == 0
    assert sampler.sample_from_edges(pairs, NegativeSampling("triplet", 2)).metadata[3].shape == (0, 2)


def test_pagerank_branches_are_edges_without_ids() -> None:
    graph = fake_graph()
    rank = PageRank("near", "member", "item", edges=("clicked", "liked"), fan_out=3, method="push")
    graph = replace(graph, schema=replace(graph.schema, pageranks=(rank,)))
    index, time = torch.arange(4), moments(400, 401, 402, 403)
    (data,) = node_loader(Sampler(graph), "member", index, time, batch_size=4)
    store, branch = data["item", "near", "member"], Sampler(graph).tree("member", index, time).branches["near"]
    assert torch.equal(data["item"].n_id[store.edge_index[0]], branch.index[branch.mask])
    assert torch.equal(store.edge_index[1], branch.mask.nonzero()[:, 0])
    assert "e_id" not in store
    check_batch(graph, data, time)


def test_bad_queries() -> None:
    graph = worlds(0)
    sampler, index = TreeSampler(Sampler(graph)), torch.tensor([0, 1])
    with pytest.raises(QueryError, match=r"found None\. Give the loader input_time"):
        sampler.sample_from_nodes(NodeSamplerInput(index, index, None, "member"))
    with pytest.raises(QueryError, match="Leave these out"):
        sampler.sample_from_nodes(NodeSamplerInput(index, index - 1, moments(1, 2), "member"))
    with pytest.raises(QueryError, match="expected -1"):
        sampler.sample_from_nodes(NodeSamplerInput(index, index + 5, moments(1, 2), "member"))
    with pytest.raises(QueryError, match="int64"):
        sampler.sample_from_nodes(NodeSamplerInput(index, index, moments(1, 2).float(), "member"))
    with pytest.raises(QueryError, match="one per seed"):
        node_loader(Sampler(graph), "member", index, moments(1, 2, 3))
    with pytest.raises(QueryError, match="one per seed"):
        link_loader(Sampler(graph), SHOWN, torch.stack([index, index]), moments(1))


def test_the_example_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "pyg.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    fake_graph().save(tmp_path / "graph")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/pyg.md", "exec"), names)
    assert torch.isfinite(names["loss"])


def test_the_first_draw_is_number_0() -> None:
    graph = varied(worlds(0), ("uniform",), ())
    index, time = torch.arange(6), moments(*[500] * 6)
    (batch,) = node_loader(Sampler(graph), "member", index, time, batch_size=6)
    check_trees(graph, batch, "member", index, time)


def test_negatives_keep_the_shape_of_labels_and_pairs() -> None:
    sampler, index, time = TreeSampler(Sampler(worlds(0))), torch.arange(3), moments(500, 501, 502)
    pairs = EdgeSamplerInput(index, index, index, torch.ones(3, 2), time, SHOWN)
    label = sampler.sample_from_edges(pairs, NegativeSampling("binary")).metadata[2]
    assert label.tolist() == [[1, 1]] * 3 + [[0, 0]] * 3
    for amount, shape in ((1, (3,)), (2, (3, 2)), (3, (3, 3))):
        found = sampler.sample_from_edges(pairs, NegativeSampling("triplet", amount))
        assert found.metadata[3].shape == shape
        assert found.metadata[3].flatten().sort().values.tolist() == list(range(3, 3 + 3 * amount))


def test_a_transform_comes_after_the_features() -> None:
    graph, index, time = worlds(0), torch.arange(2), moments(500, 501)

    def counted(data: Any) -> Any:
        data["member"].width = data["member"].x.shape[1]
        return data

    (batch,) = node_loader(Sampler(graph), "member", index, time, transform=counted, batch_size=2)
    assert batch["member"].width == 2 * 2 + 4 + 1
