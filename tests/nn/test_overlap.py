import math

from models.graph.sample import Sampler
from models.graph.tree import Branch, Tree
from models.nn.overlap import Overlap, paths
from tests.nn.batches import World


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
