"""Slates of a tiny model, and a served log of them."""

from pathlib import Path

import numpy as np

from serving.ranking.slate import NOTHING_FOREIGN, Slate, SlateIds
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog

CALL = "5f0c9b1e-6f0f-4f5c-9d9e-1c1f6a4f8b11"

SEEN = {"rule": "seen_discount", "factor": 0.5, "action": "clicked", "time": "2026-01-06T12:00:00+00:00"}


def slate(member: int, *items: int, number: int = 0) -> Slate:
    places = np.arange(len(items))
    return Slate(
        ids=SlateIds("mine", CALL, number),
        member=member,
        surface="push",
        time=1_700_000_000_000_000,
        as_of=1_699_999_999_999_999,
        member_cold=member > 8,
        model_version="4",
        fallback=False,
        items=list(items),
        cold=np.array(items) > 8,
        capped=places > 0,
        scores=0.5 / (places + 2),
        propensities=1 / (places + 1),
        adjustments=[
            [],
            [SEEN],
        ][: len(items)],
        probabilities={"click": 1 / (places + 2), "dwell": np.full(len(items), 0.5)},
        features={"count": np.where(places, np.nan, 3.0).astype(np.float32), "device": "phone", "absent": None},
        foreign=NOTHING_FOREIGN,
    )


def served(folder: Path, *slates: Slate, **limits: int) -> ServedLog:
    log = ServedLog(ServedFiles(folder, **limits), "heliograph-one")
    for one in slates:
        log.write(one)
    log.close()
    return log
