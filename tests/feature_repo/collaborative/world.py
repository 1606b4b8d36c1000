"""The tiny product with a collaborative block: clicked and skipped impressions, and likes."""

from pathlib import Path
from typing import Any

import pandas as pd

from feature_repo.collaborative import snapshots
from models.spec import Spec
from models.time_units import microseconds
from tests.factories import specs
from tests.factories.tiny import DOCUMENT, MEMBER, POST, tiny_spec
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World

KINDS = ["base", "item_item", "positive_item_item", "low_rank", "ease", "user_user"]
END = microseconds(tiny.START + tiny.DAYS * tiny.DAY)


def block(**parts: Any) -> dict[str, Any]:
    """The block ``watched`` of all kinds; ``parts`` replace its keys."""
    events = ["skipped", "clicked", "liked"]
    return {"watched": {"events": events, "outcome": ["clicked", "liked"], "kinds": KINDS, "rank": 3, **parts}}


def spec_of(blocks: dict[str, Any] | None = None, **parts: Any) -> Spec:
    """The tiny product's spec with these blocks."""
    edges = {
        **DOCUMENT["edges"],
        "clicked": specs.edge("impressions", MEMBER, POST, filter={"click": [1]}),
        "skipped": specs.edge("impressions", MEMBER, POST, filter={"click": [0]}),
    }
    return tiny_spec(**{"edges": edges, "collaborative": block() if blocks is None else blocks, **parts})


def open_world(folder: Path, spec: Spec, impressions: pd.DataFrame | None = None) -> World:
    """The tiny tables with these impressions, snapshots of them, applied to a store."""
    tables, state = tiny.tables(spec, folder / "tables"), folder / "state"
    if impressions is not None:
        tiny.write(tables, "impressions", impressions)
    snapshots(spec, tables, tables, END)
    store = tiny.store_of(spec, state)
    tiny.apply_tables(store, spec, tables, state)
    return World(store, spec, tables, state)
