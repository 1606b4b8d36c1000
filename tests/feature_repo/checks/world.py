"""A log of two thousand impressions for the adapter ``fake``, and its spec in a file."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.factories import specs
from tests.feature_repo.sources.fakes import DOCUMENT, install_adapter

Tables = dict[str, pd.DataFrame]
ROWS, DAYS, MEMBERS = 2_000, 40, 50


def log_tables() -> Tables:
    """Every member knows its features and follows one other; each hour-old outcome is settled."""
    draw, members = np.random.default_rng(0), np.arange(MEMBERS)
    start = pd.Timestamp("2026-01-01", tz="Asia/Shanghai").tz_convert("UTC").as_unit("us")
    seconds = np.sort(draw.integers(0, DAYS * 86_400 - 3_600, ROWS))
    times = pd.Series(start + pd.to_timedelta(seconds, unit="s")).astype("datetime64[us, UTC]")
    impressions = {
        "impression_id": np.arange(ROWS),
        "time": times,
        "settled_time": times + pd.Timedelta("1h"),
        "member_id": draw.integers(0, MEMBERS, ROWS),
        "post_id": [f"p{number}" for number in draw.integers(0, 30, ROWS)],
        "surface": draw.choice(["feed", "mail"], ROWS),
        "hour": draw.random(ROWS),
        "clicked": draw.integers(0, 2, ROWS),
        "seconds": draw.random(ROWS),
    }
    profiles = {
        "member_id": members,
        "valid_from": start,
        "age": draw.random(MEMBERS),
        "job": draw.choice(["a", "b"], MEMBERS),
    }
    follows = {"member_id": members, "followed_id": pd.array(members[::-1], dtype="Int64"), "time": start}
    return {
        "impressions": pd.DataFrame(impressions),
        "members": pd.DataFrame(profiles).assign(taste=list(draw.random((MEMBERS, 2)))),
        "follows": pd.DataFrame(follows).assign(kind="follow", strength=1.0),
    }


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    """The tables that the adapter ``fake`` returns; tests change them."""
    found = log_tables()
    install_adapter(monkeypatch, lambda spec, data: found)
    return found


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes the spec of that log; ``change`` alters its document, ``days`` the windows."""

    def write(change: Callable[[dict[str, Any]], object] | None = None, **days: int) -> Path:
        document = copy.deepcopy(DOCUMENT)
        document["windows"] = specs.windows(**{"graph": 14, "train": 14, "validate": 4, "gate": 4, "test": 4, **days})
        if change is not None:
            change(document)
        path = tmp_path / "small.yaml"
        path.write_text(specs.text_of(document), encoding="utf-8")
        return path

    return write
