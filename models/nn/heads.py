"""From what the transformer says about a candidate to one logit per task."""

import torch
from torch import Tensor, nn

from models.nn.age import AGE_FEATURES, age_features
from models.nn.config import ModelConfig
from models.nn.encoders import CategoryEmbedding
from models.nn.encoding import Encoding

_HOURS, _WEEKDAYS = 24, 7


class Context(nn.Module):
    """What is known of the impression itself: its features (counters, context), surface, local hour and weekday.

    And how old the member's state is: without that, no recent activity could mean a quiet day or an old state.
    """

    def __init__(self, config: ModelConfig, encoding: Encoding) -> None:
        super().__init__()
        self.categories = CategoryEmbedding(encoding.impression.vocabularies)
        self.surface = nn.Embedding(len(encoding.surfaces) + 1, 8)
        self.hour, self.weekday = nn.Embedding(_HOURS, 8), nn.Embedding(_WEEKDAYS, 4)
        inputs = encoding.impression.dense_width + self.categories.width + 20 + AGE_FEATURES
        self.bottom = nn.Sequential(
            nn.Linear(inputs, 2 * config.width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * config.width, config.width),
        )

    def forward(
        self, numbers: Tensor, categories: Tensor, surface: Tensor, hour: Tensor, weekday: Tensor, state_age: Tensor
    ) -> Tensor:
        """``numbers`` (B, C, F), ``categories`` (B, C, K); the others (B,) -> (B, C, w). Surface -1 = unknown."""
        clock = [self.surface(surface + 1), self.hour(hour), self.weekday(weekday)]
        moment = torch.cat([*clock, age_features(state_age)], dim=-1)
        moment = moment.unsqueeze(1).expand(-1, numbers.shape[1], -1)
        return self.bottom(torch.cat([numbers, self.categories(categories), moment], dim=-1))


class TaskHeads(nn.Module):
    """A bottom that all tasks share, then one linear head per task; matches also reach the tasks directly."""

    def __init__(self, config: ModelConfig, matches: int, tasks: int) -> None:
        super().__init__()
        self.bottom = nn.Sequential(
            nn.Linear(6 * config.width + matches, config.head_width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.head_width, config.head_width),
            nn.ReLU(),
        )
        self.tasks = nn.Linear(config.head_width, tasks)
        self.direct = nn.Linear(matches, tasks, bias=False)
        nn.init.zeros_(self.direct.weight)

    def forward(self, summary: Tensor, tokens: Tensor, matches: Tensor, context: Tensor) -> Tensor:
        """Logits (B, C, tasks).

        ``summary`` (B, 2 w) and ``tokens`` (B, C, H, w) come from the transformer, ``matches`` (B, C, matches) from
        ``Matching``, ``context`` (B, C, w) from ``Context``.
        """
        candidate = tokens.mean(dim=2)
        summary = summary.unsqueeze(1).expand(-1, candidate.shape[1], -1)
        products = candidate.repeat(1, 1, 2) * summary
        hidden = self.bottom(torch.cat([candidate, summary, products, matches, context], dim=-1))
        return self.tasks(hidden) + self.direct(matches)
