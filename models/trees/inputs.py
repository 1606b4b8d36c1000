"""``TreeInputs``: the columns of the trees, a pure function of what the network's decoder reads of a candidate.

Training, batch scoring and serving fill ``DecoderInputs`` by different ways, and all take the trees' columns from
there, so no column can differ between them.
"""

from dataclasses import dataclass

import numpy as np

from models.configs.model import ModelConfig
from models.graph.schema import GraphSchema
from models.nn.encoding import Encoding, FeatureEncoding
from models.nn.inputs import DecoderInputs
from models.nn.profile import ProfileLayout, own_features

FRESH_SECONDS = np.float32(60)
"""A member's state that is younger counts as this old. Half of the train rows have an age of exactly 0, which no
request has: a split there would score a request that is a microsecond late as one with a stale state."""


@dataclass(frozen=True)
class TreeInputs:
    """The columns, in this order: features of impression, member and item, each numbers first; surface, hour, age."""

    member: ProfileLayout
    item: ProfileLayout
    names: tuple[str, ...]
    categories: tuple[int, ...]
    """Positions of the columns of codes; code 0 is a missing or an unknown value."""
    counters: bool
    """Whether the impression's features are columns."""

    @classmethod
    def of(cls, config: ModelConfig, schema: GraphSchema, encoding: Encoding) -> "TreeInputs":
        """Of a ranker with this configuration, schema and encoding. Without ``profiles``: nothing of member and item;
        without ``counters``: nothing of the impression but surface, hour and age.

        Vectors and semantic IDs of nodes are no columns: only the encoder reads them.
        """
        names, coded = _names("", encoding.impression) if config.counters else ([], [])
        layouts = []
        for node in (schema.seeds.member, schema.seeds.item):
            features = own_features(schema, encoding, node)
            layouts.append(ProfileLayout.of(features, config.width, config.profiles))
            own, codes = _names(f"{node} ", features) if config.profiles else ([], [])
            coded += [len(names) + place for place in codes]
            names += own
        coded.append(len(names))
        names += ["surface of the impression", "local hour", "age of the member's state"]
        return cls(layouts[0], layouts[1], tuple(names), tuple(coded), config.counters)

    def values(self, inputs: DecoderInputs) -> np.ndarray:
        """(B, C, columns) float32 of B slates of C candidates: numbers are NaN where they are missing."""
        batch, count = inputs.categories.shape[:2]
        values = np.empty((batch, count, len(self.names)), np.float32)
        end = _fill(values, 0, inputs.numbers.numpy(), inputs.categories.numpy()) if self.counters else 0
        sides = ((self.member, inputs.member_tokens.unsqueeze(1)), (self.item, inputs.item_tokens))
        for layout, tokens in sides:
            flat = tokens[..., tokens.shape[-2] - layout.rows :, :].flatten(-2).numpy()
            numbers, codes = flat[..., : layout.numbers], flat[..., layout.numbers : layout.numbers + layout.codes]
            end = _fill(values, end, numbers, codes)
        values[..., end] = inputs.surface.numpy()[:, None] + 1
        values[..., end + 1] = inputs.hour.numpy()[:, None]
        values[..., end + 2] = np.maximum(inputs.state_age.numpy(), FRESH_SECONDS)[:, None]
        return values


def _names(prefix: str, features: FeatureEncoding) -> tuple[list[str], list[int]]:
    """Names of numbers and categories, and the places of the latter."""
    numbers = [prefix + scale.name for scale in features.numbers]
    names = numbers + [prefix + name for name in features.categories]
    return names, list(range(len(numbers), len(names)))


def _fill(values: np.ndarray, start: int, scaled: np.ndarray, codes: np.ndarray) -> int:
    """Write scaled numbers with their missing flags, and codes, from the column ``start`` on; return where they end."""
    count = scaled.shape[-1] // 2
    numbers, missing = scaled[..., :count], scaled[..., count:]
    values[..., start : start + count] = np.where(missing > 0, np.float32(np.nan), numbers)
    values[..., start + count : start + count + codes.shape[-1]] = codes
    return start + count + codes.shape[-1]
