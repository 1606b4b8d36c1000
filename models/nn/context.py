"""The impression's features: counters, context, surface, local hour and weekday, age of the member's state."""

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.nn.age import AGE_FEATURES, age_features
from models.nn.cross import CrossNetwork
from models.nn.dropout import Dropout
from models.nn.encoders import CategoryEmbedding
from models.nn.encoding import Encoding
from models.nn.inputs import DecoderInputs

HOURS, WEEKDAYS = 24, 7
SURFACE_WIDTH, HOUR_WIDTH, WEEKDAY_WIDTH = 8, 8, 4
MOMENT_WIDTH = SURFACE_WIDTH + HOUR_WIDTH + WEEKDAY_WIDTH + AGE_FEATURES
_REACH = 2.5
"""The pieces cover this many deviations on either side of the mean."""


class Columns(nn.Module):
    """The impression's features, those of member and item, and the moment of the request, as columns."""

    def __init__(self, config: ModelConfig, encoding: Encoding, profiles: int = 0) -> None:
        """``profiles``: columns of the member's and the item's features (``Profile``)."""
        super().__init__()
        self.counters = config.counters
        self.categories = CategoryEmbedding(encoding.impression.vocabularies if config.counters else ())
        self.surface = nn.Embedding(len(encoding.surfaces) + 1, SURFACE_WIDTH)
        self.hour, self.weekday = nn.Embedding(HOURS, HOUR_WIDTH), nn.Embedding(WEEKDAYS, WEEKDAY_WIDTH)
        numbers = encoding.impression.dense_width if config.counters else 0
        self.pieces = config.pieces
        self.plain = numbers + profiles + self.categories.width + MOMENT_WIDTH
        """Columns, without the pieces of their numbers."""
        self.cut = config.pieces * (numbers + profiles)
        """Columns of the pieces."""

    def columns(self, inputs: DecoderInputs, profiles: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, ``plain``), and (B, C, ``cut``) pieces of the numbers; ``profiles`` (B, C, columns)."""
        clock = [self.surface(inputs.surface + 1), self.hour(inputs.hour), self.weekday(inputs.weekday)]
        moment = torch.cat([*clock, age_features(inputs.state_age)], dim=-1)  # (B, MOMENT_WIDTH)
        moment = moment.unsqueeze(1).expand(-1, profiles.shape[1], -1)
        features = torch.cat([inputs.numbers, profiles], dim=-1) if self.counters else profiles
        codes = [self.categories(inputs.categories)] if self.counters else []
        return torch.cat([features, *codes, moment], dim=-1), pieces(features, self.pieces)


class Context(Columns):
    """Encodes the impression's features twice: early, for the candidate's tokens, and late, for the heads.

    Late, a cross network has multiplied the features (DCNv2; late fusion as in Feed SR, arXiv 2602.12354). The age of
    the member's state is one of them: without it, no recent activity could mean a quiet day or an old state.
    """

    def __init__(self, config: ModelConfig, encoding: Encoding, profiles: int = 0) -> None:
        """As ``Columns``."""
        super().__init__(config, encoding, profiles)
        self.crossed = self.plain
        """Columns of the cross network's output."""
        self.cross = CrossNetwork(self.plain, config.cross_layers)
        self.early, self.late = (
            nn.Sequential(
                nn.Linear(self.plain + self.cut, 2 * config.width),
                nn.ReLU(),
                Dropout(config.dropout),
                nn.Linear(2 * config.width, config.width),
            )
            for _ in range(2)
        )

    def forward(self, inputs: DecoderInputs, profiles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Early and late encoding, (B, C, w) each, and the cross network's output, (B, C, ``crossed``).

        ``profiles`` (B, C, columns): the member's and the item's features (``Profile``).
        """
        columns, cut = self.columns(inputs, profiles)
        crossed = self.cross(columns)
        early, late = self.early(torch.cat([columns, cut], dim=-1)), self.late(torch.cat([crossed, cut], dim=-1))
        return early, late, crossed


def pieces(numbers: Tensor, count: int) -> Tensor:
    """Piecewise linear encoding (Gorishniy et al. 2022): (..., n) scaled numbers -> (..., n * count), each 0 to 1.

    How far a number reaches into each of ``count`` equal pieces of -2.5 to 2.5.
    """
    if not count:
        return numbers[..., :0]
    size = 2 * _REACH / count
    begins = torch.arange(count, device=numbers.device) * size - _REACH
    return ((numbers.unsqueeze(-1) - begins) / size).clamp(0, 1).flatten(-2)
