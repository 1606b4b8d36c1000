import json
from dataclasses import replace
from functools import cache

import pyarrow as pa
import pytest
import torch

from models.graph.fakes import fake_graph
from models.graph.hashing import hash_keys
from models.graph.sample import Sampler
from models.graph.schema import REVERSE, GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tree import Activities
from models.nn.overlap import Overlap, Path
from models.training.errors import TrainingError
from models.training.names import activity_names, newest_neighbours, place_names


@cache
def graph() -> TemporalGraph:
    return fake_graph(members=9, items=7, seed=2)


def kinds(schema: GraphSchema) -> list[tuple[str, str]]:
    return [(name, schema.targets[name]) for name in schema.activity_edges]


def as_of() -> int:
    return graph().schema.window("test").start


def of(node: str) -> tuple[torch.Tensor, torch.Tensor]:
    index = torch.arange(graph().schema.node(node).count)
    return index, torch.full_like(index, as_of())


def test_activities_have_the_name_of_their_edge_and_the_key_of_their_target() -> None:
    activities = Sampler(graph()).activities(*of("member"), 4)
    edges, keys = (column.to_pylist() for column in activity_names(graph(), activities, kinds(graph().schema)))
    named = 0
    for member, place in torch.cartesian_prod(torch.arange(9), torch.arange(4)).tolist():
        if not activities.mask[member, place]:
            assert (edges[member][place], keys[member][place]) == ("", "")
            continue
        name = graph().schema.activity_edges[activities.edge[member, place]]
        target = graph().keys(graph().schema.targets[name])[int(activities.target[member, place])].as_py()
        assert (edges[member][place], keys[member][place]) == (name, str(target))
        named += 1
    assert 0 < named < 36


@pytest.mark.parametrize("edge", ["authored", "clicked"])
@pytest.mark.parametrize("early", [False, True])
def test_the_newest_neighbor_is_the_last_one_strictly_before(edge: str, early: bool) -> None:
    moment = -(2**60) if early else as_of()
    edges, keys = graph().edges[REVERSE + edge], graph().keys(graph().schema.targets[REVERSE + edge]).to_pylist()
    expected = []
    for item in range(graph().schema.node("item").count):
        rows = [row for row in range(edges.offsets[item], edges.offsets[item + 1]) if edges.time[row] < moment]
        expected.append(str(keys[edges.target[rows[-1]]]) if rows else "")
    assert newest_neighbours(graph(), "item", edge, moment).to_pylist() == expected
    assert set(expected) > {""} or early


def test_without_an_edge_type_there_is_no_neighbor() -> None:
    assert newest_neighbours(graph(), "item", None, as_of()).to_pylist() == [""] * graph().schema.node("item").count
    with pytest.raises(TrainingError, match="edge type drew: expected one with item at one end"):
        newest_neighbours(graph(), "item", "drew", as_of())


def test_places_have_the_keys_that_their_codes_are_hashed_from() -> None:
    overlap = Overlap(graph().schema, width=8)
    tree = Sampler(graph()).tree("item", *of("item"))
    names = place_names(graph(), overlap.item, overlap.nodes(tree, overlap.item)).to_pylist()
    codes = overlap.keys(graph(), tree, overlap.item).flatten(1)
    kinds = [path.node for path in overlap.item for _ in range(path.places)]
    named = 0
    for text, row in zip(names, codes, strict=True):
        for name, node, code in zip(json.loads(text), kinds, row.tolist(), strict=False):
            key = pa.array([name or 0 if node == "creator" else int(name or 0)]).cast(graph().keys(node).type)
            assert code == (hash_keys(key)[0] % (2**24 - 1) + 1 if name else 0)
            named += bool(name)
    assert named


def test_a_model_without_a_graph_has_no_places() -> None:
    assert place_names(graph(), [], torch.zeros(2, 0, dtype=torch.int64)).to_pylist() == ["[]", "[]"]


def test_names_stay_readable_whatever_their_letters() -> None:
    keys = pa.array([f"créateur {number}" for number in range(graph().schema.node("creator").count)])
    named = replace(graph(), node_keys={**graph().node_keys, "creator": keys})
    paths = [Path(("rev_authored",), "creator", 2), Path((), "item", 1)]
    found = place_names(named, paths, torch.tensor([[1, -1, 0], [-1, 0, -1]])).to_pylist()
    item = str(graph().keys("item")[0])
    assert found == [f'["créateur 1","","{item}"]', '["","créateur 0",""]']


def test_activities_may_lead_to_several_types_of_node() -> None:
    schema = replace(graph().schema, activity_edges=("follows", "clicked"))
    edge, target = torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 2]])
    mask = torch.tensor([[False, True, True]])
    activities = Activities(edge, target, target, target, mask)
    edges, keys = activity_names(replace(graph(), schema=schema), activities, kinds(schema))
    assert edges.to_pylist() == [["", "follows", "clicked"]]
    assert keys.to_pylist() == [["", str(graph().keys("creator")[1]), str(graph().keys("item")[2])]]
