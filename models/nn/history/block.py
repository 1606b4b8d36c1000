"""One layer of the sequential ranker: pre-norm, with a learned scale on both residual branches."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.nn.dropout import Dropout
from models.nn.history.attention import Seen, attend
from models.nn.history.rotary import Turn, rotate

_WIDER = 4


class Parts(NamedTuple):
    """Queries, keys and values, each (B, heads, L, depth)."""

    query: Tensor
    key: Tensor
    value: Tensor


class Block(nn.Module):
    """x + a * attention(norm(x)), then x + b * feed-forward(norm(x)), where the scalars a and b are learned.

    The scale of the residual is that of Feed SR (arXiv 2602.12354); both start at 1, the plain pre-norm layer.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.parts, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, _WIDER * width), nn.GELU(), Dropout(dropout), nn.Linear(_WIDER * width, width)
        )
        self.dropout = Dropout(dropout)
        self.scale = nn.Parameter(torch.ones(2))

    def reset_parameters(self) -> None:
        """Reinitialize all weights; the residual scales start at 1."""
        for child in (self.norm, self.feed_norm, self.parts, self.out, self.feed[0], self.feed[3]):
            child.reset_parameters()  # type: ignore[operator]
        nn.init.ones_(self.scale)

    def read(self, tokens: Tensor, turn: Turn | None) -> Parts:
        """Queries and keys, turned by the places of ``tokens`` (B, L, w), and values."""
        width = tokens.shape[-1]
        queries_keys, values = self.parts(self.norm(tokens)).split([2 * width, width], dim=-1)
        turned = rotate(queries_keys.unflatten(-1, (2 * self.heads, -1)), turn).transpose(1, 2)
        query, key = turned.chunk(2, dim=1)
        return Parts(query, key, values.unflatten(-1, (self.heads, -1)).transpose(1, 2))

    def forward(self, tokens: Tensor, parts: Parts, seen: Seen) -> Tensor:
        """``tokens`` (B, L, w), of which ``parts`` are read, attend to each other as far as they are ``seen``."""
        return self._finish(tokens, attend(*parts, seen))

    def beside(self, tokens: Tensor, prefix: tuple[Tensor, Tensor], hidden: Tensor, turn: Turn | None) -> Tensor:
        """Each of the candidates ``tokens`` (B, C, w) attends to the history and to itself, to no other candidate.

        ``prefix``: keys and values of the history, (B, heads, L, depth) each, L at least 1. ``hidden`` (B, 1, 1, L): 0
        where it is seen, else minus infinity. The candidates share the history; no copy is made of it.
        """
        own = self.read(tokens, turn)
        query = own.query / own.query.shape[-1] ** 0.5
        near = (query * own.key).sum(dim=-1, keepdim=True)
        # Softmax over the history and the candidate itself, in place: at 1,000 tokens allocation costs more than sums.
        far = (query @ prefix[0].transpose(-1, -2)).add_(hidden)  # (B, heads, C, L)
        top = far.detach().amax(dim=-1, keepdim=True).maximum(near.detach())
        far, near = far.sub_(top).exp_(), (near - top).exp()
        mixed = (far @ prefix[1] + near * own.value) / (far.sum(dim=-1, keepdim=True) + near)
        return self._finish(tokens, mixed)

    def _finish(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        """Output map, scaled residuals and feed-forward; ``mixed`` (B, heads, L, depth): the attention's output."""
        tokens = torch.addcmul(tokens, self.scale[0], self.dropout(self.out(mixed.transpose(1, 2).flatten(2))))
        return torch.addcmul(tokens, self.scale[1], self.dropout(self.feed(self.feed_norm(tokens))))
