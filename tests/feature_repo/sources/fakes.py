"""Tiny inputs: a made-up adapter with its spec, and a folder in KuaiRand's layout."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.spec import Spec
from tests.factories import specs

MEMBER, POST = ("member", "member_id"), ("post", "post_id")
DOCUMENT = specs.document(
    timezone="Asia/Shanghai",
    source={"adapter": "fake", "options": {"size": 3}},
    nodes={
        "member": {
            "key": "member_id",
            "views": {
                "profile": {
                    "table": "members",
                    "features": {"age": "number", "job": "category", "taste": "vector[2]"},
                }
            },
        },
        "post": {"key": "post_id", "key_type": "string"},
    },
    edges={
        "clicked": specs.edge("impressions", MEMBER, POST, filter={"clicked": [1]}, fan_out=[2, 1]),
        "follows": specs.edge(
            "follows",
            MEMBER,
            ("member", "followed_id"),
            kind="affinity",
            filter={"kind": ["follow"]},
            weight="strength",
            fan_out=[2, 1],
        ),
    },
    impressions=specs.impressions(
        MEMBER, POST, surfaces=["feed", "mail"], context={"hour": "number"}, outcomes=["clicked", "seconds"]
    ),
    tasks={
        "click": {"label": "clicked", "primary": True},
        "mail_click": {"label": "clicked", "filter": {"surface": ["mail"]}},
    },
    counters={
        "by_member": {"keys": ["member"], "smoothing": 2},
        "by_post": {"keys": ["item", "surface"], "window": "2d", "filter": {"surface": ["feed", "mail"]}},
    },
)
TABLES = {
    "impressions": (
        *("impression_id", "time", "settled_time", "member_id", "post_id", "surface", "hour", "clicked", "seconds"),
    ),
    "members": ("member_id", "valid_from", "age", "job", "taste"),
    "follows": ("member_id", "followed_id", "time", "kind", "strength"),
}


def small_spec() -> Spec:
    return specs.spec_of(DOCUMENT)


def instants(text: list[str]) -> pd.Series:
    """Local times (Asia/Shanghai) as the adapters write them."""
    return pd.Series(pd.to_datetime(text)).dt.tz_localize("Asia/Shanghai").dt.tz_convert("UTC").dt.as_unit("us")


def small_tables() -> dict[str, pd.DataFrame]:
    """Three good tables; two members, two posts, four impressions."""
    return {
        "impressions": pd.DataFrame(
            {
                "impression_id": [3, 0, 1, 2],
                "time": instants(["2026-01-04 09:00", "2026-01-01 09:00", "2026-01-02 09:00", "2026-01-02 10:00"]),
                "settled_time": instants(
                    ["2026-01-04 09:01", "2026-01-01 09:01", "2026-01-02 09:01", "2026-01-03 00:00"]
                ),
                "member_id": [1, 1, 1, 2],
                "post_id": ["b", "a", "b", "a"],
                "surface": ["feed", "feed", "mail", "mail"],
                "hour": [9, 9, 9, 10],
                "clicked": [1, 1, 0, 1],
                "seconds": [5.0, 7.0, 0.0, 9.0],
            }
        ),
        "members": pd.DataFrame(
            {
                "member_id": [1, 2],
                "valid_from": instants(["2025-12-01", "2025-12-01"]),
                "age": [30.0, np.nan],
                "job": ["cook", None],
                "taste": [np.array([0.5, 1.0]), np.array([0.0, 1.0])],
            }
        ),
        "follows": pd.DataFrame(
            {
                "member_id": [1, 2, 2],
                "followed_id": pd.array([2, 1, None], dtype="Int64"),
                "time": instants(["2025-12-02", "2026-01-03", "2026-01-03"]),
                "kind": ["follow", "follow", "visit"],
                "strength": [1.0, 2.0, 0.0],
            }
        ),
    }


def install_adapter(
    patch: pytest.MonkeyPatch, read: Callable[[Spec, Path | None], dict], tables: dict | None = None
) -> ModuleType:
    """Make ``read`` the adapter ``fake``."""
    module = ModuleType("feature_repo.sources.fake")
    module.TABLES = dict(tables or TABLES)
    module.read = read
    patch.setitem(sys.modules, module.__name__, module)
    return module


LOG_COLUMNS = [
    *("user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like", "is_follow", "is_comment"),
    *("is_forward", "is_hate", "long_view", "play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time"),
    *("is_profile_enter", "is_rand", "tab"),
]


def log_row(
    user: int, video: int, time: str, click: int = 0, long_view: int = 0, play: int = 1000, tab: int = 1
) -> dict:
    moment = int(pd.Timestamp(time, tz="Asia/Shanghai").timestamp() * 1000)
    given = {"user_id": user, "video_id": video, "time_ms": moment, "is_click": click, "long_view": long_view}
    return dict.fromkeys(LOG_COLUMNS, 0) | given | {"play_time_ms": play, "duration_ms": 9_000, "tab": tab}


def kuairand_folder(folder: Path, history: bool = True) -> Path:
    """A folder in KuaiRand's layout: three users, four videos, one log row twice and one before the first day."""
    data = folder / "data"
    data.mkdir(parents=True)
    rows = [
        log_row(0, 1, "2022-04-25 10:00:00", click=1, long_view=1, play=60_000),
        log_row(0, 1, "2022-04-25 10:00:00", click=1, long_view=1, play=60_000),
        log_row(1, 2, "2022-04-24 23:30:00", click=1),
        log_row(0, 2, "2022-04-25 10:00:30"),
        log_row(0, 1, "2022-04-26 09:00:00", tab=4),
        log_row(2, 3, "2022-05-08 23:59:59", click=1, tab=14),
        log_row(1, 3, "2022-05-04 12:00:00"),
    ]
    log = pd.DataFrame(rows, columns=LOG_COLUMNS)
    log.iloc[:4].to_csv(data / "log_standard_4_22_to_5_08_pure.csv", index=False)
    log.iloc[4:].to_csv(data / "log_standard_later_pure.csv", index=False)
    users = pd.DataFrame(
        {"user_id": [0, 1, 2], "user_active_degree": ["full_active", "UNKNOWN", "middle_active"], "is_video_author": 1}
        | {"is_lowactive_period": 0, "is_live_streamer": [-124, 1, 0], "follow_user_num": 5, "fans_user_num": 7}
        | {"friend_user_num": 0, "register_days": [100, 200, -124]}
        | {f"onehot_feat{number}": [1.0, None, 0.0] for number in range(18)}
    )
    users.to_csv(data / "user_features_pure.csv", index=False)
    videos = pd.DataFrame(
        {"video_id": [0, 1, 2, 3], "author_id": [9, 9, 8, 7], "video_type": ["NORMAL", "AD", "UNKNOWN", "NORMAL"]}
        | {"upload_dt": "2022-04-10", "upload_type": "Web", "visible_status": 0.0}
        | {"video_duration": [8000.0, None, 20_000.0, 5000.0], "server_width": 720.0, "server_height": 1280.0}
        | {"music_id": 1, "music_type": [9.0, 4.0, None, 9.0], "tag": ["12", "3,4", None, "5"]}
    )
    videos.to_csv(data / "video_features_basic_pure.csv", index=False)
    if history:
        last = int(pd.Timestamp("2022-04-24 23:00", tz="Asia/Shanghai").timestamp() * 1000)
        lists = pa.table(
            {
                "user_id": [0, 1],
                "history_len": [3, 60],
                "last_time_ms": [last, last - 1000],
                "watch_seq": [[1, 2, 1], [3, 2]],
                "like_seq": [[1], []],
                "long_watch_seq": [[2, 1], [0, 1, 3]],
            }
        )
        pq.write_table(lists, data / "user_history_pure.parquet")
    return folder
