"""The decoder's transformer: H graph tokens and N activities, then the candidates, under a prefix-causal mask.

The H tokens attend to each other; activity i attends to them and to the activities up to itself (LiGNN, arXiv
2402.11139). The tokens of a candidate attend to the whole prefix and to each other, never to another candidate: a slate
of C equals C slates of one, and the prefix is computed once.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.configs.model import ModelConfig
from models.nn.dropout import Dropout
from models.nn.start import reset_children

_POSITION = 0.02
"""Deviation at which learned positions start."""


def prefix_mask(graph_tokens: int, activity_mask: Tensor, causal: bool = True) -> Tensor:
    """(batch, 1, P, P) bool, P = graph_tokens + N: True where the row's token attends to the column's.

    ``activity_mask`` (batch, N) bool: False for padding, which no token attends to. Without ``causal`` every token
    attends to all others.
    """
    batch, activities = activity_mask.shape
    length = graph_tokens + activities
    seen = torch.ones(length, length, dtype=torch.bool, device=activity_mask.device)
    seen = seen.tril() if causal else seen
    seen[:graph_tokens, :graph_tokens] = True
    return seen & visible_prefix(graph_tokens, activity_mask).view(batch, 1, 1, length)


def visible_prefix(graph_tokens: int, activity_mask: Tensor) -> Tensor:
    """``activity_mask`` (batch, N) bool -> (batch, P) bool: True for graph tokens and activities, False for padding."""
    return functional.pad(activity_mask, (graph_tokens, 0), value=True)


class Block(nn.Module):
    """One pre-norm transformer layer, shared by the prefix and the candidates."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), Dropout(config.dropout), nn.Linear(2 * width, width)
        )
        self.dropout = Dropout(config.dropout)

    def keys(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, length, width) -> keys and values, each (batch, heads, length, depth)."""
        key, value = self.key_value(self.norm(tokens)).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def forward(self, tokens: Tensor, keys: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """``tokens`` (batch, length, width) attend to ``keys``: keys and values, each (batch, heads, n, depth).

        ``mask`` bool, broadcastable to (batch, heads, length, n). Returns the shape of ``tokens``.
        """
        query = self._split(self.query(self.norm(tokens)))
        return self._finish(tokens, functional.scaled_dot_product_attention(query, *keys, attn_mask=mask))

    def beside(self, tokens: Tensor, prefix: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """``tokens`` (B * C, H, width) attend to their row's prefix and to each other -> (B * C, H, width).

        ``prefix``: its keys and values, (B, heads, P, depth) each; ``seen`` (B, P) bool: False for padding.
        """
        own, batch = self.keys(tokens), seen.shape[0]  # len() would be a constant in a trace
        if tokens.shape[0] == batch:
            both = [torch.cat(pair, dim=2) for pair in zip(prefix, own, strict=True)]
            mask = functional.pad(seen, (0, tokens.shape[1]), value=True)[:, None, None, :]
            return self(tokens, (both[0], both[1]), mask)
        # The candidates of a slate share the prefix without a copy for each; the result is the same.
        query = self._split(self.query(self.norm(tokens)))  # (B * C, heads, H, depth)
        heads, length, depth = query.shape[1:]
        query = query / depth**0.5
        rows = query.view(batch, -1, heads, length, depth).transpose(1, 2)  # (B, heads, C, H, depth)
        hidden = torch.zeros_like(seen, dtype=query.dtype).masked_fill(~seen, -torch.inf)[:, None, None, :]
        far = rows.flatten(2, 3) @ prefix[0].transpose(-1, -2) + hidden  # (B, heads, C * H, P)
        near = (query @ own[0].transpose(-1, -2)).view(batch, -1, heads, length, length).transpose(1, 2)
        weights = torch.cat([far, near.flatten(2, 3)], dim=-1).softmax(dim=-1)
        far, near = weights.split([far.shape[-1], length], dim=-1)
        found = (far @ prefix[1]).unflatten(2, (-1, length)).transpose(1, 2).flatten(0, 1)  # (B * C, heads, H, depth)
        near = near.unflatten(2, (-1, length)).transpose(1, 2).flatten(0, 1)  # (B * C, heads, H, H)
        return self._finish(tokens, found + near @ own[1])

    def _finish(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        """Output map, residuals and feed-forward; ``mixed`` (batch, heads, length, depth): the attention's output."""
        tokens = tokens + self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))
        return tokens + self.dropout(self.feed(self.feed_norm(tokens)))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class SequenceDecoder(nn.Module):
    """Runs the prefix once and every candidate against it, independently of the others."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.graph_tokens, self.causal = config.graph_tokens, config.prefix_causal
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.activity_position = _positions(config, config.activities)
        self.member_position = _positions(config, config.graph_tokens)
        self.candidate_position = _positions(config, config.graph_tokens)
        self.norm = nn.LayerNorm(config.width)

    def reset_parameters(self) -> None:
        """Reinitialize all weights; positions that are switched off stay 0."""
        reset_children(self)
        for positions in (self.activity_position, self.member_position, self.candidate_position):
            nn.init.normal_(positions, std=_POSITION * positions.requires_grad)

    def forward(self, member: Tensor, activities: Tensor, mask: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """``member`` (B, H, w), ``activities`` (B, N, w) with age, ``mask`` (B, N) bool, ``candidates`` (B, C, H, w).

        Returns the member's summary (B, 2 w), the outputs' mean at the graph tokens and the one at the last activity,
        and the candidates' outputs (B, C, H, w).
        """
        batch, slate = candidates.shape[:2]
        prefix, seen_by_prefix = self._prefix(member, activities, mask)  # (B, P, w)
        seen = visible_prefix(self.graph_tokens, mask)  # (B, P)
        tokens = (candidates + self.candidate_position).flatten(0, 1)  # (B * C, H, w)
        for place, block in enumerate(self._layers):
            keys = block.keys(prefix)
            tokens = block.beside(tokens, keys, seen)
            if place == len(self.blocks) - 1:
                prefix = block(self._read(prefix, 1), keys, self._read(seen_by_prefix, 2))
            else:
                prefix = block(prefix, keys, seen_by_prefix)
        prefix, tokens = self.norm(prefix), self.norm(tokens)
        summary = torch.cat([prefix[:, :-1].mean(dim=1), prefix[:, -1]], dim=-1)
        return summary, tokens.unflatten(0, (batch, slate))

    def last_output(self, activities: Tensor, mask: Tensor) -> Tensor:
        """(B, w): the output at the last of the M ``activities`` (B, M, w), a function of these alone.

        ``mask`` (B, M) bool: False for padding. Graph tokens are left out: they are as of a time after all N
        activities, and contain them.
        """
        tokens = activities + self.activity_position[: activities.shape[1]]
        own = torch.eye(activities.shape[1], dtype=torch.bool, device=mask.device)
        seen = prefix_mask(0, mask) | own  # padding attends to itself: a softmax needs one place
        *layers, top = self._layers
        for block in layers:
            tokens = block(tokens, block.keys(tokens), seen)
        return cast(Tensor, self.norm(top(tokens[:, -1:], top.keys(tokens), seen[:, :, -1:])[:, 0]))

    @property
    def _layers(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))

    def _prefix(self, member: Tensor, activities: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The prefix (B, P, w) and its mask (B, 1, P, P)."""
        prefix = torch.cat([member + self.member_position, activities + self.activity_position], dim=1)
        return prefix, prefix_mask(self.graph_tokens, mask, self.causal)

    def _read(self, prefix: Tensor, along: int) -> Tensor:
        """The places whose output the summary reads: the graph tokens and the last activity."""
        last = prefix.shape[along] - 1
        return torch.cat([prefix.narrow(along, 0, self.graph_tokens), prefix.narrow(along, last, 1)], dim=along)


def _positions(config: ModelConfig, places: int) -> Tensor:
    """(places, w): learned; constant zeros where positions are switched off."""
    start = torch.randn(places, config.width) * (_POSITION * config.positions)
    return nn.Parameter(start, requires_grad=config.positions)
