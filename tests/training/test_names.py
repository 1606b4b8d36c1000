import json

import pyarrow as pa
import pytest
import torch

from models.graph.fakes import fake_graph
from models.graph.hashing import hash_keys
from models.graph.sample import Sampler
from models.graph.schema import REVERSE
from models.nn.overlap import Overlap
from models.training.errors import TrainingError
from models.training.names import activity_names, newest_neighbours, place_names

GRAPH = fake_graph(members=9, items=7, seed=2)
AS_OF = GRAPH.schema.window("test").start


def of(node: str) -> tuple[torch.Tensor, torch.Tensor]:
    index = torch.arange(GRAPH.schema.node(node).count)
    return index, torch.full_like(index, AS_OF)


def test_activities_are_called_by_their_edge_and_by_the_key_of_what_was_acted_on() -> None:
    activities = Sampler(GRAPH).activities(*of("member"), 4)
    edges, keys = (column.to_pylist() for column in activity_names(GRAPH, activities))
    named = 0
    for member, place in torch.cartesian_prod(torch.arange(9), torch.arange(4)).tolist():
        if not activities.mask[member, place]:
            assert (edges[member][place], keys[member][place]) == ("", "")
            continue
        name = GRAPH.schema.activity_edges[activities.edge[member, place]]
        target = GRAPH.keys(GRAPH.schema.targets[name])[int(activities.target[member, place])].as_py()
        assert (edges[member][place], keys[member][place]) == (name, str(target))
        named += 1
    assert 0 < named < 36


@pytest.mark.parametrize("edge", ["authored", "clicked"])
@pytest.mark.parametrize("as_of", [AS_OF, -(2**60)])
def test_the_newest_neighbour_is_the_last_one_strictly_before(edge: str, as_of: int) -> None:
    said, keys = GRAPH.edges[REVERSE + edge], GRAPH.keys(GRAPH.schema.targets[REVERSE + edge]).to_pylist()
    expected = []
    for item in range(GRAPH.schema.node("item").count):
        rows = [row for row in range(said.offsets[item], said.offsets[item + 1]) if said.time[row] < as_of]
        expected.append(str(keys[said.target[rows[-1]]]) if rows else "")
    assert newest_neighbours(GRAPH, "item", edge, as_of).to_pylist() == expected
    assert set(expected) > {""} or as_of < 0


def test_without_an_edge_type_nobody_has_a_neighbour() -> None:
    assert newest_neighbours(GRAPH, "item", None, AS_OF).to_pylist() == [""] * GRAPH.schema.node("item").count
    with pytest.raises(TrainingError, match="edge type drew: expected one with item at one end"):
        newest_neighbours(GRAPH, "item", "drew", AS_OF)


def test_places_are_called_by_the_keys_that_their_codes_are_hashed_from() -> None:
    overlap = Overlap(GRAPH.schema, width=8)
    tree = Sampler(GRAPH).tree("item", *of("item"))
    names = place_names(GRAPH, overlap.item, overlap.nodes(tree, overlap.item)).to_pylist()
    codes = overlap.keys(GRAPH, tree, overlap.item).flatten(1)
    kinds = [path.node for path in overlap.item for _ in range(path.places)]
    met = 0
    for text, row in zip(names, codes, strict=True):
        for name, node, code in zip(json.loads(text), kinds, row.tolist(), strict=False):
            key = pa.array([name or 0 if node == "creator" else int(name or 0)]).cast(GRAPH.keys(node).type)
            assert code == (hash_keys(key)[0] % (2**24 - 1) + 1 if name else 0)
            met += bool(name)
    assert met


def test_a_model_without_a_graph_has_no_places() -> None:
    assert place_names(GRAPH, [], torch.zeros(2, 0, dtype=torch.int64)).to_pylist() == ["[]", "[]"]
