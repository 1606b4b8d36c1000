"""Graph attention with personalized PageRank (PPRGAT, Choi 2022, arXiv 2205.14259) for PyTorch Geometric.

A layer that needs nothing else of ours: ``ranked_edges`` once per graph, ``PageRankGATConv`` in any PyG model. The
ranker has the same term in ``models.nn.aggregation``.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.inits import glorot
from torch_geometric.utils import softmax

from models.graph.ranks import EPSILON, RESTART, TOP, ranks_of_edges

Form = Literal["gatv2", "gat"]
Neighbours = Literal["edges", "top"]


def ranked_edges(
    edge_index: Tensor,
    nodes: int,
    neighbours: Neighbours = "edges",
    restart: float = RESTART,
    epsilon: float = EPSILON,
    top: int = TOP,
) -> tuple[Tensor, Tensor]:
    """The edges to attend to, (2, n) int64, and the P of each, (n,) float32: P_ij of an edge from j to i.

    ``edge_index`` (2, edges) int64: messages go from row 0 to row 1. P is the PageRank of j for a walk from i
    (``models.graph.ranks``) on the edges as given; where j is not among the ``top`` best, it is 0. ``neighbours``:
    edges = the given edges without loops, and one loop for every node, with its own P_ii; top = an edge from every j
    with P_ij above 0 in their place. Raises GraphInputError and QueryError.
    """
    ranks = ranks_of_edges(edge_index, nodes, restart, epsilon, top)
    if neighbours == "top":
        return torch.stack([ranks.key % ranks.nodes, ranks.key // ranks.nodes]), ranks.value
    loops = torch.arange(nodes, device=edge_index.device)
    others = edge_index[:, edge_index[0] != edge_index[1]]
    chosen = torch.cat([others, loops.expand(2, -1)], dim=1)
    return chosen, ranks.of(chosen[1], chosen[0])


class PageRankGATConv(MessagePassing):
    """GATv2 or GAT whose attention sees P_ij, with one weight for it per head, which starts at 0.

    gatv2: e_ij = a . LeakyReLU(W_l h_j + W_r h_i) + a_ppr P_ij; the message is W_l h_j. gat: e_ij = LeakyReLU(a .
    [W h_i || W h_j || P_ij]); the message is W h_j. The shares are the softmax of e_ij over the edges into i. At the
    start, and for P = 0 everywhere, it is PyG's ``GATv2Conv`` or ``GATConv`` with the same weights.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        dropout: float = 0.0,
        form: Form = "gatv2",
        negative_slope: float = 0.2,
    ) -> None:
        """``out_channels``: of each head; ``concat``: heads side by side, else their mean; ``dropout``: of shares."""
        super().__init__(aggr="add", node_dim=0)
        if form not in ("gatv2", "gat"):
            raise ValueError(f"form: expected gatv2 or gat; found {form!r}")
        self.heads, self.out_channels, self.concat = heads, out_channels, concat
        self.dropout, self.form, self.negative_slope = dropout, form, negative_slope
        both = form == "gatv2"
        self.lin_l = nn.Linear(in_channels, heads * out_channels, bias=both)
        self.lin_r = nn.Linear(in_channels, heads * out_channels) if both else None
        self.att_l = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_r = None if both else nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_ppr = nn.Parameter(torch.empty(1, heads))
        self.bias = nn.Parameter(torch.empty(heads * out_channels if concat else out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reinitialize all weights: those of P and the bias at 0, the others by Glorot."""
        super().reset_parameters()
        for linear in (self.lin_l, self.lin_r):
            if linear is not None:
                glorot(linear.weight)
                if linear.bias is not None:
                    nn.init.zeros_(linear.bias)
        glorot(self.att_l)
        glorot(self.att_r)
        nn.init.zeros_(self.att_ppr)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, edge_index: Tensor, rank: Tensor) -> Tensor:
        """``x`` (nodes, in_channels), ``edge_index`` (2, n), ``rank`` (n,) -> (nodes, heads * out_channels), or
        (nodes, out_channels) without ``concat``. The edges are those of ``ranked_edges``: none is added."""
        shape = (-1, self.heads, self.out_channels)
        left = self.lin_l(x).view(shape)
        right = left if self.lin_r is None else self.lin_r(x).view(shape)
        out = self.propagate(edge_index, x=(left, right), rank=rank, size=(len(x), len(x)))
        return (out.flatten(1) if self.concat else out.mean(dim=1)) + self.bias

    def message(self, x_j: Tensor, x_i: Tensor, rank: Tensor, index: Tensor) -> Tensor:
        """(n, heads, out_channels): each edge's message times its share."""
        share = softmax(self._logits(x_j, x_i, rank), index)
        share = functional.dropout(share, self.dropout, self.training)
        return x_j * share.unsqueeze(-1)

    def _logits(self, x_j: Tensor, x_i: Tensor, rank: Tensor) -> Tensor:
        """(n, heads): e_ij."""
        ranked = rank.unsqueeze(-1) * self.att_ppr
        if self.att_r is None:
            return (functional.leaky_relu(x_j + x_i, self.negative_slope) * self.att_l).sum(dim=-1) + ranked
        return functional.leaky_relu(
            (x_j * self.att_l).sum(dim=-1) + (x_i * self.att_r).sum(dim=-1) + ranked, self.negative_slope
        )
