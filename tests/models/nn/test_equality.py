"""The layers on trees equal PyTorch Geometric's plain formulations on the same trees as lists of edges."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import HeteroConv, MessagePassing, SAGEConv
from torch_geometric.utils import softmax

from models.graph.fakes import fake_graph
from models.graph.hetero import message_type
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.subgraph import Subgraph, edge_rows, subgraph_of
from models.graph.tree import Tree
from models.nn.aggregation import BranchAttention
from models.nn.edges import EDGE_FEATURES, edge_features
from models.nn.sage import TreeSage
from tests.fuzzing import seeds

WIDTH = 16


def check_equal(found: Tensor, expected: Tensor, one: Sequence[Tensor], two: Sequence[Tensor]) -> None:
    """Outputs, and the gradients of a weighted sum of them by ``one`` and ``two``, to 1e-5 of the largest entry."""
    upstream = torch.randn_like(found)
    gradients = [
        torch.autograd.grad((output * upstream).sum(), by, allow_unused=True, materialize_grads=True)
        for output, by in ((found, one), (expected, two))
    ]
    assert sum(bool(gradient.any()) for gradient in gradients[1]) > len(gradients[1]) / 2
    for mine, theirs in zip([found, *gradients[0]], [expected, *gradients[1]], strict=True):
        assert mine.shape == theirs.shape
        assert (mine - theirs).abs().max() <= 1e-5 * theirs.abs().max().clamp(min=1)


def sampled(seed: int, node: str) -> tuple[TemporalGraph, Tree, Subgraph]:
    """A tree with masked places and the same as edges; seeds of all windows, some nodes without edges."""
    graph = fake_graph(members=12, items=15, seed=seed)
    size = graph.schema.node(node).count
    index = torch.arange(3 * size) % size
    time = graph.seeds.time[torch.linspace(0, len(graph.seeds) - 1, len(index)).long()]
    sampler = Sampler(graph)
    tree = sampler.tree(node, index, time)
    assert all(0 < branch.mask.float().mean() < 1 for branch in tree.branches.values())
    return graph, tree, subgraph_of(graph.schema, sampler.hops, edge_rows(graph), [(tree, torch.arange(len(index)))])


def hetero_conv(sage: TreeSage, graph: TemporalGraph, layer: int) -> HeteroConv:
    """PyG's layer with the same weights; a node type's own map is split evenly over its edge types' root weights."""
    convolutions = {}
    for edge in graph.schema.edges:
        neighbour, own = sage.neighbour[layer][edge.name], sage.own[layer][edge.source]
        convolution = SAGEConv((neighbour.in_features, own.in_features), WIDTH)
        share = 1 / sum(other.source == edge.source for other in graph.schema.edges)
        with torch.no_grad():
            convolution.lin_l.weight.copy_(neighbour.weight)
            convolution.lin_l.bias.copy_(own.bias * share)
            convolution.lin_r.weight.copy_(own.weight * share)
        convolutions[message_type(graph.schema, edge.name)] = convolution
    return HeteroConv(convolutions, aggr="sum")


@pytest.mark.parametrize("node", ["member", "item"])
@pytest.mark.parametrize("seed", seeds(3))
def test_tree_sage_is_hetero_conv_of_sage_conv(seed: int, node: str) -> None:
    torch.manual_seed(seed)
    graph, tree, edges = sampled(seed, node)
    sizes = {"member": 5, "item": 7, "creator": 3}
    tables = {one.name: torch.randn(one.count, sizes[one.name], requires_grad=True) for one in graph.schema.nodes}
    sage = TreeSage(graph.schema, sizes, WIDTH, layers=2)
    first, second = (hetero_conv(sage, graph, layer) for layer in range(2))
    edge_index = {key: torch.stack([edges.row[key], edges.col[key]]) for key in edges.row}

    state = {name: tables[name][index] for name, index in edges.node.items()}
    state = {name: one.relu() for name, one in first(state, edge_index).items()}
    expected = second(state, edge_index)[node][: len(tree.index)]
    found = sage(tree, tables)
    ours, theirs = [], []
    for layer, convolution in enumerate((first, second)):
        for edge in graph.schema.edges:
            ours.append(sage.neighbour[layer][edge.name].weight)
            theirs.append(convolution.convs[message_type(graph.schema, edge.name)].lin_l.weight)
    check_equal(found, expected, [*tables.values(), *ours], [*tables.values(), *theirs])


class PlainAttention(MessagePassing):
    """``BranchAttention`` over a list of edges: softmax over a parent's edges and one empty place.

    Scaled dot products as in Vaswani et al. 2017, section 3.2.1: the scale is 1 / sqrt(width).
    """

    def __init__(self, attention: BranchAttention) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.attention = attention

    def forward(self, neighbour: Tensor, parent: Tensor, edge_index: Tensor, edge: Tensor) -> Tensor:
        """(neighbours, width), (parents, width), (2, edges), (edges, EDGE_FEATURES) -> (parents, tokens, width)."""
        own, tokens = self.attention, self.attention.tokens
        source, target = edge_index
        if own.parent_query:
            query = own.query(parent).view(len(parent), tokens, -1)[target] / WIDTH**0.5
            score = (query * neighbour[source].unsqueeze(1)).sum(dim=2)
        else:
            score = own.query(neighbour[source])
        score = score + own.score(edge)  # (edges, tokens)
        nothing = own.nothing.T.expand(len(parent), -1)
        place = torch.cat([target, torch.arange(len(parent))])
        share = softmax(torch.cat([score, nothing]), place, num_nodes=len(parent))[: len(score)]
        size = (len(neighbour), len(parent))
        value = self.propagate(edge_index, x=(neighbour, parent), edge=edge, share=share, size=size)
        return own.out(value)

    def message(self, x_j: Tensor, edge: Tensor, share: Tensor) -> Tensor:
        return share.unsqueeze(2) * torch.cat([x_j, edge], dim=1).unsqueeze(1)


@pytest.mark.parametrize(("parent_query", "tokens"), [(True, 3), (True, 1), (False, 1)])
@pytest.mark.parametrize("seed", seeds(3))
def test_branch_attention_is_message_passing(seed: int, parent_query: bool, tokens: int) -> None:
    torch.manual_seed(seed)
    graph, tree, edges = sampled(seed, "member")
    attention = BranchAttention(WIDTH, tokens, parent_query)
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.3)
    branch, key = tree.branches["clicked"], message_type(graph.schema, "clicked")
    # A state for every parent and for every place: a node has another state at every place of the tree.
    parent = torch.randn(len(edges.node["member"]), WIDTH, requires_grad=True)
    state = torch.randn(len(edges.node["item"]), WIDTH, requires_grad=True)
    count = edges.edges_per_hop[key][0]
    row, col = edges.row[key][:count], edges.col[key][:count]

    batch = len(tree.index)
    dense = torch.zeros(*branch.mask.shape, WIDTH).masked_scatter(branch.mask.unsqueeze(2), state[row])
    dense = torch.where(branch.mask.unsqueeze(2), dense, torch.randn_like(dense))  # masked places may hold anything
    found = attention(parent[:batch], dense, branch.mask, edge_features(branch))
    features = edge_features(branch)[branch.mask]
    assert features.shape == (count, EDGE_FEATURES)
    expected = PlainAttention(attention)(state, parent[:batch], torch.stack([row, col]), features)
    assert (found[~branch.mask.any(dim=1)] == 0).all()
    inputs = [parent, state, *attention.parameters()]
    check_equal(found, expected, inputs, inputs)
