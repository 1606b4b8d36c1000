"""What is known of the impression itself: its features (counters, context), surface, local hour and weekday."""

import torch
from torch import Tensor, nn

from models.nn.age import AGE_FEATURES, age_features
from models.nn.config import ModelConfig
from models.nn.cross import CrossNetwork
from models.nn.dropout import Dropout
from models.nn.encoders import CategoryEmbedding
from models.nn.encoding import Encoding

HOURS, WEEKDAYS = 24, 7
SURFACE_WIDTH, HOUR_WIDTH, WEEKDAY_WIDTH = 8, 8, 4
MOMENT_WIDTH = SURFACE_WIDTH + HOUR_WIDTH + WEEKDAY_WIDTH + AGE_FEATURES
_REACH = 2.5
"""Deviations to either side of the mean that the pieces cover."""


class Context(nn.Module):
    """And how old the member's state is: without that, no recent activity could mean a quiet day or an old state.

    It is read twice: early, where the transformer looks at a candidate, and late, beside what came out of it, where a
    cross network has multiplied the features (DCNv2; late fusion as in Feed SR, arXiv 2602.12354).
    """

    def __init__(self, config: ModelConfig, encoding: Encoding, profiles: int = 0) -> None:
        """``profiles``: columns of the member's and the item's own features."""
        super().__init__()
        self.counters = config.counters
        self.categories = CategoryEmbedding(encoding.impression.vocabularies if config.counters else ())
        self.surface = nn.Embedding(len(encoding.surfaces) + 1, SURFACE_WIDTH)
        self.hour, self.weekday = nn.Embedding(HOURS, HOUR_WIDTH), nn.Embedding(WEEKDAYS, WEEKDAY_WIDTH)
        numbers = encoding.impression.dense_width if config.counters else 0
        inputs = numbers + profiles + self.categories.width + MOMENT_WIDTH
        self.pieces = config.pieces
        self.crossed = inputs
        """Columns of what comes out of the cross network."""
        self.cross = CrossNetwork(inputs, config.cross_layers)
        self.early, self.late = (
            nn.Sequential(
                nn.Linear(inputs + config.pieces * (numbers + profiles), 2 * config.width),
                nn.ReLU(),
                Dropout(config.dropout),
                nn.Linear(2 * config.width, config.width),
            )
            for _ in range(2)
        )

    def forward(
        self,
        numbers: Tensor,
        categories: Tensor,
        surface: Tensor,
        hour: Tensor,
        weekday: Tensor,
        state_age: Tensor,
        profiles: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Early and late, (B, C, w) each, and what came out of the cross network, (B, C, ``crossed``).

        ``numbers`` (B, C, F), ``categories`` (B, C, K), the others (B,), surface -1 = unknown. ``profiles`` (B, C,
        columns): the member's and the item's own features (``Profile``).
        """
        clock = [self.surface(surface + 1), self.hour(hour), self.weekday(weekday)]
        moment = torch.cat([*clock, age_features(state_age)], dim=-1)  # (B, MOMENT_WIDTH)
        moment = moment.unsqueeze(1).expand(-1, numbers.shape[1], -1)
        features = torch.cat([numbers, profiles], dim=-1) if self.counters else profiles
        codes = [self.categories(categories)] if self.counters else []
        inputs = torch.cat([features, *codes, moment], dim=-1)
        cut = pieces(features, self.pieces)
        crossed = self.cross(inputs)
        early, late = self.early(torch.cat([inputs, cut], dim=-1)), self.late(torch.cat([crossed, cut], dim=-1))
        return early, late, crossed


def pieces(numbers: Tensor, count: int) -> Tensor:
    """(..., n) scaled numbers -> (..., n * count): how far each reaches into each of ``count`` pieces of +-_REACH."""
    if not count:
        return numbers[..., :0]
    size = 2 * _REACH / count
    begins = torch.arange(count, device=numbers.device) * size - _REACH
    return ((numbers.unsqueeze(-1) - begins) / size).clamp(0, 1).flatten(-2)
