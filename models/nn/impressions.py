"""Tokens of what a member was shown: the item when it was shown, its outcome when that settled, other engagements."""

from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.graph.impressions import FIRST_EDGE, OUTCOME, SHOWN
from models.graph.schema import GraphSchema
from models.graph.tree import Activities, Tree
from models.nn.activity import ActivityEncoder, LookUp, fill_rows, fill_without_sync
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding


class ImpressionEncoder(ActivityEncoder):
    """Encodes the tokens of ``models.graph.impressions``, and candidates as if they were shown now.

    A token is read as of its OWN time, so it never changes: stored ones stay as they are, and one pass over a member's
    tokens serves any number of later moments. The item's content is that of an activity's target.
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding) -> None:
        super().__init__(config, schema, encoding, schema.seeds.item)
        self.item = schema.seeds.item
        self.tasks = [task.name for task in schema.seeds.tasks]
        self.kind = nn.Embedding(FIRST_EDGE, config.width)
        self.surface = nn.Embedding(len(encoding.surfaces) + 1, config.width)
        self.outcome = nn.Linear(2 * len(self.tasks), config.width, bias=False)
        self._separate_impressions()

    def reset_parameters(self) -> None:
        """Reinitialize all weights."""
        super().reset_parameters()
        self._separate_impressions()

    @torch.no_grad()
    def _separate_impressions(self) -> None:
        """As actions and attributes: all but the content starts on one half of the width."""
        for weight in (self.kind.weight.T, self.surface.weight.T, self.outcome.weight):
            weight[: self.width // 2] = 0.0

    def forward(self, encoded: EncodedGraph, activities: Activities, time: Tensor, look_up: LookUp) -> Tensor:
        """(B, N, w), 0 where masked. ``time`` (B,) is not read; ``look_up``: (n,) node states -> (n, w)."""
        mask, moment, target = (part.flatten() for part in (activities.mask, activities.time, activities.target))
        engaged, edge, row = self._parts(encoded, activities)
        tokens = torch.zeros(len(mask), self.width, device=mask.device)
        fill = fill_without_sync if mask.is_cuda else fill_rows
        for place, node in enumerate(self.acted_on):
            there = self.of_type[place][edge] if self.edges else engaged
            chosen = mask & torch.where(engaged, there, node == self.item)
            tokens = fill(tokens, chosen, target, moment, partial(self._content, encoded, node, look_up))
        engagements = self._of_engagement(encoded, edge, row * engaged)
        impressions = self._of_impression(encoded, activities)
        tokens = self.content(tokens) + torch.where(engaged.unsqueeze(1), engagements, impressions)
        return tokens.unflatten(0, activities.mask.shape) * activities.mask.unsqueeze(-1)

    def items(self, encoded: EncodedGraph, tree: Tree, look_up: LookUp) -> Tensor:
        """(B, w): the content of the items at the roots of ``tree``, as of its times."""
        found = self._content(encoded, self.item, look_up, tree.index, tree.time, tree.cold)
        return cast(Tensor, self.content(found))

    def candidates(self, items: Tensor, surface: Tensor) -> Tensor:
        """Tokens (B, C, w) of items (B, C, w), as ``items`` returns them, that are shown on ``surface`` (B,) int64."""
        return items + (self.kind.weight[SHOWN] + self.surface(surface + 1)).unsqueeze(1)

    def _parts(self, encoded: EncodedGraph, activities: Activities) -> tuple[Tensor, Tensor, Tensor]:
        """(n,) each: whether a token is an engagement, the model's place of its edge type, and its row."""
        edge = activities.edge.flatten()
        engaged = edge >= FIRST_EDGE
        place = (edge - FIRST_EDGE).clamp(min=0)
        if len(encoded.activity_edge):
            place = encoded.activity_edge[place]
        return engaged, place, activities.row.flatten()

    def _of_engagement(self, encoded: EncodedGraph, edge: Tensor, row: Tensor) -> Tensor:
        """(n, w): action and attributes."""
        action = self.action(edge)
        return cast(Tensor, action + self.said(self._attributes(encoded, edge, row)) if self.said else action)

    def _of_impression(self, encoded: EncodedGraph, activities: Activities) -> Tensor:
        """(n, w): kind, surface and, of an outcome, its labels."""
        kind, row = activities.edge.flatten().clamp(max=OUTCOME), activities.row.flatten()
        seeds = encoded.graph.seeds
        if not len(seeds):
            return cast(Tensor, self.kind(kind))
        row = row.clamp(max=len(seeds) - 1)  # an engagement's row is none of a seed; what it reads is not used
        names = [task.name for task in encoded.graph.schema.seeds.tasks]
        labels = torch.nn.functional.pad(seeds.labels[row], (0, 1), value=torch.nan)  # the last column: of no task
        values = labels[:, [names.index(task) if task in names else len(names) for task in self.tasks]]
        missing = values.isnan()
        said = self.outcome(torch.cat([values.masked_fill(missing, 0.0), missing.float()], dim=1))
        shown: Tensor = self.kind(kind) + self.surface(encoded.surface[row] + 1)
        return shown + said * (kind == OUTCOME).unsqueeze(1)
