"""The tiny product with every kind of column that knows the member, and many members."""

from pathlib import Path
from typing import Any

import numpy as np

from models.spec import Spec
from tests.feature_repo import tiny
from tests.feature_repo.collaborative import world as collaborative
from tests.feature_repo.conftest import World

UNKNOWN = 12_345
"""The key of a member that no table has."""
PROFILE = ["seniority", "country"]
"""Features of the member that are not of behavior."""
TABLES = ["cold", "cold_frozen", "cold_member", "cold_member_frozen"]
COUNTERS = {
    "member_counts": {
        **{"keys": ["member"], "recency": True, "last": 2},
        **{"last_exposures": 2, "compare": ["surface", "item", "topic"]},
    },
    "member_surface_counts": {"keys": ["member", "surface"], "window": "3d"},
    "pair_counts": {"keys": ["member", "item"], "smoothing": 2, "residual": True},
    "post_counts": {"keys": ["item"], "recency": True},
}


def spec_of(training: dict[str, Any]) -> Spec:
    """The product's spec with these keys of ``training``."""
    member = tiny.DOCUMENT["nodes"]["member"]
    views = {**member["views"], "member_recent": {**member["views"]["member_recent"], "behavior": True}}
    nodes = {**tiny.DOCUMENT["nodes"], "member": {**member, "views": views}}
    return collaborative.spec_of(nodes=nodes, counters=COUNTERS, training=training)


def open_members(folder: Path, training: dict[str, Any]) -> World:
    """The applied product: 240 impressions of 30 members, of whom five have versions."""
    random = np.random.default_rng(5)
    shown = tiny.impressions(random, 240)
    return collaborative.open_world(folder, spec_of(training), shown.assign(member=random.integers(1, 31, len(shown))))
