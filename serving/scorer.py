"""``Scorer``: tokens, counters and context in, one calibrated probability per task out. No store, clock or protocol."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.graph.schema import FeatureColumn
from models.nn.clock import local_clock
from models.training.artifact import load_model


class Scorer:
    """A model artifact, ready to rank slates on the CPU in float32."""

    def __init__(self, folder: Path) -> None:
        """Reads the artifact's folder; its digests are verified."""
        self._model = load_model(folder)
        ranker = self._model.ranker.eval()
        with torch.inference_mode():
            self._cold_member, self._cold_item = ranker.cold_member_tokens(), ranker.cold_item_tokens()  # (H, w)
        self.tasks = self._model.tasks
        self.features: tuple[FeatureColumn, ...] = self._model.schema.seeds.features
        self.activities = ranker.sequence_length
        """N: activities of a member; 0 where the model reads none."""
        self.member_token_size, self.item_token_size = self._cold_member.numel(), self._cold_item.numel()
        """H * width: values of a member's tokens, and of an item's; the two sides may differ in H."""
        self.activity_size = self.activities * ranker.config.width
        """N * width: values of a member's activity tokens."""

    def score(
        self,
        member_tokens: np.ndarray | None,
        activity_tokens: np.ndarray | None,
        activity_times: np.ndarray | None,
        as_of: int | None,
        item_tokens: Sequence[np.ndarray | None],
        features: Sequence[Mapping[str, Any]],
        surface: str,
        time: int,
    ) -> dict[str, np.ndarray]:
        """One pass over a slate of C items; answer: by task, (C,) float64 probabilities.

        ``member_tokens`` (H * w,), ``activity_tokens`` (N * w,), ``activity_times`` (N,) int64 microseconds (0 = none)
        and ``as_of``, the moment that they were read at: all None for a cold member. ``item_tokens``: C arrays (H * w,)
        of the item side's H, None for a cold item. ``features``: C mappings of the decoder's raw inputs; what is absent
        is missing. ``time``: the request's, microseconds UTC; an activity at or after it is not seen.
        """
        ranker, encoding = self._model.ranker, self._model.encoding
        member = self._tokens(member_tokens, self._cold_member)
        items = [self._tokens(tokens, self._cold_item) for tokens in item_tokens]
        activities, age, seen = self._activities(activity_tokens, activity_times, time)
        numbers, categories = encoding.encode_impression([dict(row) for row in features])
        hour, weekday = local_clock(torch.tensor([time]), self._model.schema.seeds.timezone_offset)
        with torch.inference_mode():
            logits = ranker.decode(
                member.unsqueeze(0),
                activities.unsqueeze(0),
                age.unsqueeze(0),
                seen.unsqueeze(0),
                torch.stack(items).unsqueeze(0),  # (1, C, H, w)
                torch.from_numpy(numbers).unsqueeze(0),
                torch.from_numpy(categories).unsqueeze(0),
                torch.tensor([encoding.surface_code(surface)]),
                hour,
                weekday,
                torch.tensor([max(0, time - as_of) / 1_000_000 if as_of is not None else 0.0]),
            )[0]  # (C, T)
        probabilities = self._model.calibration.apply(logits.double().numpy())
        return {task: probabilities[:, place] for place, task in enumerate(self.tasks)}

    def _tokens(self, tokens: np.ndarray | None, cold: Tensor) -> Tensor:
        return cold if tokens is None else torch.from_numpy(tokens).view(cold.shape)  # (H, w)

    def _activities(
        self, tokens: np.ndarray | None, times: np.ndarray | None, time: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (N, w), ages (N,) in seconds, mask (N,); what is not seen stands in front, as in training."""
        width = self._cold_member.shape[1]
        if tokens is None or times is None:
            tokens, times = np.zeros(self.activity_size, np.float32), np.zeros(self.activities, np.int64)
        seen = (times > 0) & (times < time)
        order = np.argsort(seen, kind="stable")
        seen, times = seen[order], times[order]
        age = (time - times).astype(np.float32) / np.float32(1_000_000) * seen  # as in training, to the last bit
        kept = tokens.reshape(self.activities, width)[order] * seen[:, None]
        return torch.from_numpy(kept), torch.from_numpy(age), torch.from_numpy(seen)
