import math
from dataclasses import replace

import torch

from models.graph.sample import Sampler
from models.graph.schema import GraphSchema
from models.graph.tree import Branch, Tree
from models.nn.overlap import Overlap, paths
from tests.models.nn.batches import World


def nodes_on(tree: Tree, edges: tuple[str, ...], row: int) -> list[int]:
    """The nodes on a path, one root, by plain Python."""
    if not edges:
        return [int(tree.index[row])] if tree.index[row] >= 0 else []
    branch: Branch = tree.branches[edges[0]]
    places = list(range(row * branch.index.shape[1], (row + 1) * branch.index.shape[1]))
    for name in edges[1:]:
        below = branch.branches[name]
        places = [place * below.index.shape[1] + offset for place in places for offset in range(below.index.shape[1])]
        branch = below
    index, mask = branch.index.flatten(), branch.mask.flatten()
    return [int(index[place]) for place in places if mask[place]]


def test_counts_are_those_of_the_two_trees(world: World) -> None:
    graph = world.graph
    overlap = Overlap(graph.schema, width=8)
    sampler, seeds = Sampler(graph), graph.seeds
    rows = graph.seeds.rows("test")[:20]
    members = sampler.tree("member", seeds.member[rows], seeds.time[rows])
    items = sampler.tree("item", seeds.item[rows], seeds.time[rows])
    member_keys = overlap.keys(graph, members, overlap.member)
    item_keys = overlap.keys(graph, items, overlap.item)
    assert member_keys.shape == item_keys.shape == (20, overlap.rows, 8)
    found = overlap(member_keys, item_keys.unsqueeze(1))[:, 0]
    some = 0
    for row in range(len(rows)):
        for pair, (one, other) in enumerate(overlap.pairs):
            first, second = overlap.member[one], overlap.item[other]
            mine, theirs = nodes_on(members, first.edges, row), nodes_on(items, second.edges, row)
            expected = sum(a == b for a in mine[: first.places] for b in theirs[: second.places])
            some += expected
            assert math.isclose(float(found[row, pair]), math.log1p(expected), rel_tol=1e-5, abs_tol=1e-6)
    assert some > 0


def test_an_unknown_node_shares_nothing(world: World) -> None:
    ranker = world.ranker
    tokens = ranker.cold_member_tokens()[ranker.config.graph_tokens :].unsqueeze(0)
    assert (ranker.overlap(tokens, tokens.unsqueeze(1)) == 0).all()


def test_every_path_ends_where_its_edges_lead(world: World) -> None:
    graph = world.graph
    for path in paths(graph.schema, "member"):
        node = "member"
        for edge in path.edges:
            assert graph.schema.edge(edge).source == node
            node = graph.schema.edge(edge).target
        assert node == path.node


def narrow(schema: GraphSchema, **fan_outs: tuple[int, ...]) -> GraphSchema:
    """The schema with these edge types alone."""
    return replace(schema, edges=tuple(replace(schema.edge(name), fan_out=f) for name, f in fan_outs.items()))


def test_paths_have_a_place_per_node_up_to_32(world: World) -> None:
    schema = narrow(world.graph.schema, clicked=(6, 2), rev_clicked=(3, 5), rev_authored=(3, 1))
    found = {path.edges: (path.node, path.places) for path in paths(schema, "member")}
    assert found == {
        (): ("member", 1),
        ("clicked",): ("item", 6),
        ("clicked", "rev_clicked"): ("member", 30),
        ("clicked", "rev_authored"): ("creator", 6),
    }
    for fan_out in (8, 9):
        schema = narrow(world.graph.schema, clicked=(4,), rev_clicked=(1, fan_out))
        assert [path.places for path in paths(schema, "member")] == [1, 4, 32]


def test_keys_are_kept_of_node_types_that_both_sides_reach(world: World) -> None:
    schema = narrow(world.graph.schema, clicked=(9,), rev_authored=(3,))
    overlap = Overlap(schema, width=4)
    assert [path.edges for path in overlap.member] == [("clicked",)]
    assert [path.edges for path in overlap.item] == [()]
    assert (overlap.pairs, overlap.rows) == ([(0, 0)], 3)
    assert [Overlap(schema, width).rows for width in (3, 9, 10)] == [3, 1, 1]
    assert not overlap.state_dict()
    assert Overlap(replace(schema, edges=()), 4).rows == 0


def test_places_are_numbered_path_by_path_and_empty_ones_are_minus_one(world: World) -> None:
    schema = narrow(world.graph.schema, clicked=(2,), rev_clicked=(1, 1))
    overlap, time = Overlap(schema, width=8), torch.zeros(2, dtype=torch.int64)
    mask = torch.tensor([[True, False], [True, True]])
    no = torch.zeros(1)  # what keys do not read
    below = Branch(torch.tensor([[5], [0], [0], [7]]), mask.view(4, 1), no, no, no, no)
    clicked = Branch(torch.tensor([[0, 0], [3, 4]]), mask, no, no, no, no, {"rev_clicked": below})
    tree = Tree("member", torch.tensor([0, -1]), time, {"clicked": clicked})
    assert [path.edges for path in overlap.member] == [(), ("clicked",), ("clicked", "rev_clicked")]
    found = overlap.nodes(tree, overlap.member)
    assert found.tolist() == [[0, 0, -1, 5, -1], [-1, 3, 4, 0, 7]]
    bare = Tree("member", torch.tensor([0, -1]), time, {})
    assert overlap.nodes(bare, overlap.member).tolist() == [[0, -1, -1, -1, -1], [-1] * 5]
    assert overlap.nodes(bare, []).shape == (2, 0)
    hashes = {node: world.graph.nodes[node].id_hash.tolist() for node in ("member", "item")}
    kinds = ["member", "item", "item", "member", "member"]
    expected = [[hashes[n][i] % (2**24 - 1) + 1 if i >= 0 else 0 for n, i in zip(kinds, row, strict=True)]
                for row in found.tolist()]  # fmt: skip
    keys = overlap.keys(world.graph, tree, overlap.member)
    assert keys.shape == (2, 1, 8)
    assert keys[:, 0].tolist() == [[*row, 0, 0, 0] for row in expected]


def test_every_pair_of_equal_keys_counts_and_zero_is_no_key(world: World) -> None:
    overlap = Overlap(narrow(world.graph.schema, clicked=(3,), rev_clicked=(0, 2), liked=(2,)), width=4)
    assert [path.edges for path in overlap.item] == [()]
    sides = [path.edges for path in overlap.member]
    assert sides == [("clicked",), ("liked",)]
    member = torch.tensor([[[1.0, 2.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]])
    item = torch.zeros(1, 3, 2, 4)
    item[0, 0, 0, 0], item[0, 1, 0, 0] = 1.0, 2.0
    found = overlap(member, item)
    torch.testing.assert_close(found, torch.tensor([[[2.0, 1.0], [1.0, 0.0], [0.0, 0.0]]]).log1p())
