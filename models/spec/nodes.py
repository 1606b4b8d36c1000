"""Nodes of a spec: node types, their feature views, and the types of features."""

import re
from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from models.spec.base import Days, Name, StrictModel
from models.spec.expectations import CheckedView

_VECTOR = re.compile(r"^vector\[(\d+)\]$")


class Feature(NamedTuple):
    """One typed feature: ``kind``: number, category, vector, text or time; ``size``: the vector's length, else 1."""

    name: str
    kind: Literal["number", "category", "vector", "text", "time"]
    size: int


def parse_feature(name: str, text: str) -> Feature:
    """Parse ``number``, ``category``, ``text``, ``time`` or ``vector[n]``. Raises ValueError for anything else."""
    if text in ("number", "category", "text", "time"):
        return Feature(name, text, 1)  # type: ignore[arg-type]
    match = _VECTOR.match(text)
    if match and int(match.group(1)) > 0:
        return Feature(name, "vector", int(match.group(1)))
    raise ValueError(f"expected number, category, text, time or vector[n] with n of 1 or more; found {text!r}")


class TypedView(StrictModel):
    """A view with typed features."""

    features: dict[Name, str] = Field(
        description="Feature -> type: number, category, text, time, or vector[n] with n numbers. A feature is a column "
        "of the table. The model reads a time as an age only (`time_features`)."
    )

    @field_validator("features")
    @classmethod
    def _check_types(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            parse_feature(name, text)
        return value

    @property
    def typed(self) -> list[Feature]:
        """The features, parsed, in the order of the spec."""
        return [parse_feature(name, text) for name, text in self.features.items()]


class View(TypedView, CheckedView):
    """One feature view of a node: a table of versions with the node's key, each valid from a time on."""

    table: Name = Field(description="Canonical table of the adapter; it also holds the node's key column.")
    time: Name = Field(
        default="valid_from", description="Column with the time from which the values are valid.", examples=["since"]
    )
    created: Name | None = Field(
        default=None,
        description="Column with the time at which the row was written. Of two rows with the same `time`, the later "
        "one counts. None = the last row in the table counts.",
        examples=["written_at"],
    )
    ttl_days: Days | None = Field(
        default=None,
        description="Versions older than this many days count as missing, in training and in serving. None = no limit.",
        examples=[30],
    )
    behavior: bool = Field(
        default=False,
        description="Its values come from what happened to the node (watches, likes), not from its content. Where "
        "an item or a member is read as cold (`training.cold_share`, `training.cold_member_share`), they are missing.",
    )


class Node(StrictModel):
    """One node type: its key column, which every view's table has, and its feature views."""

    key: Name = Field(description="Column with the node's key. No other node type may use the same name.")
    key_type: Literal["int", "string"] = Field(
        default="int", description="Type of the key: a 64-bit whole number, or text.", examples=["string"]
    )
    views: dict[Name, View] = Field(
        default={}, description="Feature views by name. A node type without any is known by its edges and ID alone."
    )
    id_buckets: int = Field(
        default=0,
        ge=0,
        description="Buckets of the hashed ID embedding. More buckets mean fewer collisions and more weights. "
        "0 = no ID embedding.",
    )
