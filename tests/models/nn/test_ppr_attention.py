"""The PyG layer against the paper's formulas, edge by edge, and against PyG's own layers."""

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import leaky_relu
from torch_geometric.nn import GATConv, GATv2Conv
from torch_geometric.utils import add_self_loops, remove_self_loops

from models.nn.ppr_attention import PageRankGATConv, ranked_edges
from tests.models.graph.test_ranks import dense

FORMS: tuple[Literal["gatv2", "gat"], ...] = ("gatv2", "gat")
NONE = torch.zeros(2, 0, dtype=torch.int64)


def layer(form: Literal["gatv2", "gat"], **options: bool) -> PageRankGATConv:
    torch.manual_seed(0)
    conv = PageRankGATConv(3, 4, heads=2, form=form, **options).eval()
    with torch.no_grad():
        for weights in conv.parameters():
            weights.copy_(torch.randn_like(weights))
    return conv


def by_hand(conv: PageRankGATConv, x: Tensor, edges: list[tuple[int, int]], p: Tensor) -> Tensor:
    """The formulas for one node and one head at a time; ``edges``: (j, i) with the loops; ``p``: P_ij of all pairs."""
    out = torch.zeros(len(x), conv.heads, conv.out_channels)
    weights = conv.lin_l.weight.view(conv.heads, conv.out_channels, -1)
    for i in range(len(x)):
        senders = [j for j, receiver in edges if receiver == i]
        for head in range(conv.heads):
            e, messages = [], []
            for j in senders:
                a_ppr = conv.att_ppr[0, head] * p[i, j]
                if conv.lin_r is not None:
                    part = slice(head * conv.out_channels, (head + 1) * conv.out_channels)
                    left = conv.lin_l.weight[part] @ x[j] + conv.lin_l.bias[part]
                    right = conv.lin_r.weight[part] @ x[i] + conv.lin_r.bias[part]
                    e.append(conv.att_l[0, head] @ leaky_relu(left + right, 0.2) + a_ppr)
                    messages.append(left)
                else:
                    both = torch.cat([weights[head] @ x[i], weights[head] @ x[j], p[i, j].view(1)])
                    a = torch.cat([conv.att_r[0, head], conv.att_l[0, head], conv.att_ppr[0, head].view(1)])
                    e.append(leaky_relu(a @ both, 0.2))
                    messages.append(weights[head] @ x[j])
            if senders:
                share = torch.stack(e).softmax(dim=0)
                out[i, head] = (share.unsqueeze(1) * torch.stack(messages)).sum(dim=0)
    return (out.flatten(1) if conv.concat else out.mean(dim=1)) + conv.bias


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=14), st.booleans())
@settings(max_examples=25, deadline=None)
def test_it_is_the_papers_formula(form: Literal["gatv2", "gat"], drawn: list[tuple[int, int]], concat: bool) -> None:
    """On random graphs with loops, repeated edges and isolated nodes; node 6 never has an edge."""
    edge_index = torch.tensor(drawn, dtype=torch.int64).view(-1, 2).T
    conv, x = layer(form, concat=concat), torch.randn(7, 3)
    found = conv(x, *ranked_edges(edge_index, 7, epsilon=1e-9))
    edges = [(j, i) for j, i in drawn if i != j] + [(i, i) for i in range(7)]
    expected = by_hand(conv, x, edges, dense(edge_index, 7, 0.25).float())
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_at_the_start_it_is_pygs_layer(form: Literal["gatv2", "gat"]) -> None:
    edge_index, x = torch.randint(6, (2, 15), generator=torch.Generator().manual_seed(1)), torch.randn(7, 3)
    conv = layer(form)
    peer = GATv2Conv(3, 4, heads=2) if form == "gatv2" else GATConv(3, 4, heads=2)
    with torch.no_grad():
        conv.att_ppr.zero_()
        peer.bias.copy_(conv.bias)
        if isinstance(peer, GATv2Conv):
            peer.att.copy_(conv.att_l)
            peer.lin_l.load_state_dict(conv.lin_l.state_dict())
            peer.lin_r.load_state_dict(conv.lin_r.state_dict())
        else:
            peer.att_src.copy_(conv.att_l)
            peer.att_dst.copy_(conv.att_r)
            peer.lin.load_state_dict(conv.lin_l.state_dict())
    edges, rank = ranked_edges(edge_index, 7)
    torch.testing.assert_close(conv(x, edges, rank), peer(x, edge_index))
    with torch.no_grad():  # and P moves shares, not all logits of a node by one number
        conv.att_ppr.fill_(3.0)
    assert not torch.allclose(conv(x, edges, rank), peer(x, edge_index), atol=1e-3)


def test_a_new_layer_starts_without_p_and_learns_its_weight() -> None:
    conv, (edges, rank) = PageRankGATConv(3, 4, heads=2), ranked_edges(torch.tensor([[0, 1, 2], [1, 0, 1]]), 3)
    assert not conv.att_ppr.any()
    conv(torch.randn(3, 3), edges, rank).square().sum().backward()
    assert conv.att_ppr.grad.abs().min() > 0


def test_the_top_replaces_the_edges() -> None:
    path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    edges, rank = ranked_edges(path, 4, neighbours="top")
    assert sorted(map(tuple, edges.T.tolist())) == [(i, j) for i in range(3) for j in range(3)] + [(3, 3)]
    assert (rank > 0).all()
    torch.testing.assert_close(rank, dense(path, 4, 0.25)[edges[1], edges[0]].float(), atol=1e-3, rtol=0)
    kept, _ = ranked_edges(path, 4)
    assert torch.equal(kept, add_self_loops(remove_self_loops(path)[0], num_nodes=4)[0])


@pytest.mark.parametrize("form", FORMS)
def test_without_edges_and_without_nodes(form: Literal["gatv2", "gat"]) -> None:
    conv, x = layer(form), torch.randn(3, 3)
    alone = conv(x, *ranked_edges(NONE, 3))
    torch.testing.assert_close(alone, conv.lin_l(x) + conv.bias)
    assert conv(x[:0], *ranked_edges(NONE, 0)).shape == (0, 8)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="form: expected gatv2 or gat; found 'gatv3'"):
        PageRankGATConv(3, 4, form="gatv3")  # type: ignore[arg-type]
