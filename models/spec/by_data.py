"""Keys that a spec leaves to the data (``models.configs.defaults``) by not giving them.

``Spec.by_data`` names them from the moment a spec is read, so that a spec that was written again, with every key, still
knows what its author gave.
"""

from collections.abc import Mapping
from typing import Any

from models.configs.defaults import DECIDED

UNDECIDED = ""
"""The reason of a key that ingest has still to decide."""
ID_BUCKETS = "id_buckets"


def undecided(document: Mapping[str, Any]) -> dict[str, str]:
    """The keys that a spec's document does not give, each with ``UNDECIDED``; {} where the document is no spec."""
    try:
        sections = {name: document.get(name) or {} for name in ("model", "training")}
        ends = [document["impressions"][role]["node"] for role in ("member", "item")]
        left = [key for key in DECIDED if key.split(".")[1] not in sections[key.split(".")[0]]]
        left += [bucket_key(node) for node in ends if ID_BUCKETS not in document["nodes"][node]]
    except (AttributeError, KeyError, TypeError):  # the schema's own checks say what is wrong
        return {}
    return dict.fromkeys(left, UNDECIDED)


def bucket_key(node: str) -> str:
    """The key of a node type's ID buckets."""
    return f"nodes.{node}.{ID_BUCKETS}"
