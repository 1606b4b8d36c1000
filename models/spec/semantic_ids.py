"""Semantic IDs of a node: what it engaged with in other domains, as a few codes in a view of its own."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from models.spec.base import Name, StrictModel, check_unique_values
from models.spec.collaborative import MOST_DELAY_DAYS, Delay
from models.time_units import length

MOST_WIDTH = 64
_VECTOR = re.compile(r"vector\[(\d{1,6})\]")


class SemanticIds(StrictModel):
    """Codes of a node: the mean of the vectors of what it engaged with, quantized; as of a daily cut.

    The quantizer is fitted to what was there before the train window, once: later ingests with the same settings use
    it again, so that codes keep their meaning. The codes are features of a view with the name of the block.
    """

    node: Name = Field(description="The node type that gets the codes: the source of `events`.", examples=["member"])
    events: list[Name] = Field(
        min_length=1,
        description="Edge types from `node` to nodes with the vector, all of one type: name those of the organic "
        "domain only, and the codes carry it to the other surfaces. With `domains`, a block with an event outside of "
        "them is left out.",
        examples=[["reacted", "read"]],
    )
    vector: Name = Field(description="A vector feature of the events' target.", examples=["post_vector"])
    kind: Literal["rq", "fsq", "rq_fsq"] = Field(
        default="rq_fsq",
        description="rq: residual codes. fsq: each dimension rounded. rq_fsq: both, beside each other.",
    )
    levels: int = Field(default=3, ge=1, le=8, description="For rq: residual codes of a key.", examples=[2])
    codes: int = Field(
        default=256,
        ge=2,
        le=4096,
        description="For rq: codes of a level. A tenth of the nodes with events at most: more are an ID in disguise.",
        examples=[64],
    )
    fsq_levels: Literal[2, 4, 8, 16] = Field(default=16, description="For fsq: levels of a dimension.", examples=[8])
    seed: int = Field(default=1, ge=0, le=2**31 - 1, description="Another seed fits a new quantizer.", examples=[2])
    delay: Delay = Field(
        default="3h",
        description="How long after its midnight a cut is visible: a whole number with s, m, h or d. Run `ingest` "
        "after midnight and `materialize` after midnight + `delay`.",
        examples=["90m"],
    )

    @field_validator("events")
    @classmethod
    def _check_unique(cls, value: list[str]) -> list[str]:
        return check_unique_values(value)

    @property
    def delay_time(self) -> int:
        """The delay in microseconds."""
        return length(self.delay, MOST_DELAY_DAYS, zero=True)

    @property
    def residual_levels(self) -> int:
        """Residual codes of a key; 0 without that branch."""
        return 0 if self.kind == "fsq" else self.levels


def semantic_table(name: str) -> str:
    """The canonical table of a block."""
    return f"semantic_{name}"


def code_features(name: str, block: SemanticIds) -> list[str]:
    """The names of a block's residual codes, by level."""
    return [f"{name}_code_{level}" for level in range(1, block.residual_levels + 1)]


def level_feature(name: str) -> str:
    """The name of a block's rounded dimensions, each as the middle of its step."""
    return f"{name}_levels"


def with_views(document: Any) -> Any:
    """The spec's document with the view of every block: nothing else needs to know where its features come from.

    A document that is no valid spec stays as it is: the errors are those of its schema.
    """
    blocks = document.get("semantic_ids") if isinstance(document, dict) else None
    if not isinstance(blocks, dict) or not isinstance(document.get("nodes"), dict):
        return document
    nodes = dict(document["nodes"])
    for name, given in blocks.items():
        node = nodes.get(given.get("node")) if isinstance(given, dict) else None
        features = _features(name, given, nodes, document.get("edges")) if isinstance(node, dict) else None
        if not isinstance(node, dict) or not features:
            continue
        view = {"table": semantic_table(name), "features": features, "behavior": True}
        views = dict(node["views"]) if isinstance(node.get("views"), dict) else {}
        before = views.pop(name, view)
        if not isinstance(before, dict) or any(before.get(key) != value for key, value in view.items()):
            return document  # another view has the name: the check of references says so
        nodes[given["node"]] = {**node, "views": {**views, name: view}}
    return {**document, "nodes": nodes}


def _features(name: Any, given: dict[str, Any], nodes: dict[str, Any], edges: Any) -> dict[str, str] | None:
    """The features of a block's view; None where the document does not say enough."""
    try:
        block = SemanticIds.model_validate(given)
        target = nodes[edges[block.events[0]]["target"]["node"]]
        sizes = [view["features"].get(block.vector) for view in target["views"].values()]
        (found,) = (_VECTOR.fullmatch(size) for size in sizes if size)
        found_size = int(found.group(1)) if found else 0
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    levels = {level_feature(name): f"vector[{min(found_size, MOST_WIDTH)}]"} if block.kind != "rq" else {}
    return {**dict.fromkeys(code_features(name, block), "category"), **levels} if found_size else None
