"""Adapter ``kuairand``: logs of the Kuaishou app in the layout of KuaiRand-Pure (Gao et al., CIKM 2022).

Reads ``data/`` (or the folder itself): every ``log_*.csv``, ``user_features_pure.csv``,
``video_features_basic_pure.csv`` and, if present, ``user_history_pure.parquet`` (not official: lists of videos watched
before the first day).

- A row's ``time_ms`` is the START of a view; its outcome is known once the user has left the view, the comments and the
  profile.
- The surface is the tab. The duration comes from the video file, not from later log rows.
- A view (member, video and millisecond) that was logged twice counts once: the row whose outcome settled last is kept,
  of equal ones the first in the order of their columns.
- Everything before the spec's first day is history: from the list file if there is one, else from the log itself. Log
  rows after the lists' last day are added; earlier ones are dropped, since the lists contain them.
- Option ``tab``, a number: only the views of this tab, as if the product had no other surface. The list file is left
  out, since it does not say where a video was watched.
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.sources.delimited import read_delimited
from feature_repo.sources.errors import SourceError
from feature_repo.sources.kuairand_history import (
    HISTORY_TABLES,
    from_lists,
    from_log,
    history_tables,
    settled,
    with_log,
)
from feature_repo.sources.quarantine import copy_quarantine, microseconds_of, quarantine_by
from feature_repo.sources.windows import WINDOWS, resolved
from models.spec import Spec
from models.spec.base import Value

TIMEZONE = "Asia/Shanghai"
BEFORE_EVERYTHING = pd.Timestamp("2022-04-01", tz=TIMEZONE).tz_convert("UTC")
"""Valid-from time of the undated member and video snapshots: before the data set's first day (04-08)."""

OUTCOMES = (
    *("is_click", "long_view", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "is_profile_enter"),
    *("play_time_ms", "profile_stay_time", "comment_stay_time"),
)
ENGAGED = ("is_follow", "is_comment", "is_forward", "is_profile_enter")
WATCHED = ("play_percent", "play_seconds", "left_early")
"""Integer outcomes for counters: 0 to 100 (0 if the duration is unknown), 0 to LONG_PLAY, 0 or 1."""
LONG_PLAY = 120
"""Seconds: longer plays are capped, or a few plays of hours would dominate a member's average."""
EARLY = 3_000
"""Milliseconds: who leaves earlier has only seen the cover."""
MEMBER_CATEGORIES = ("user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author")
MEMBER_COUNTS = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
ONE_HOT = tuple(f"onehot_feat{number}" for number in range(18))
MANY_VALUED = ("onehot_feat3", "onehot_feat7", "onehot_feat8")
"""Features of ONE_HOT with 118 to 1,471 values, most of them rare: kept as numbers, which trees split into ranges."""
VIDEO_CATEGORIES = ("video_type", "upload_type", "music_type")

TABLES: dict[str, tuple[str, ...]] = {
    "impressions": (
        *("impression_id", "time", "settled_time", "user_id", "video_id", "surface", "is_rand"),
        *("seconds_since_last_log", "exposures_last_hour_log", "exposures_last_day_log", "seen_before"),
        *OUTCOMES,
        "engaged",
        *WATCHED,
    ),
    "members": ("user_id", "valid_from", *MEMBER_CATEGORIES, *(f"{name}_log" for name in MEMBER_COUNTS), *ONE_HOT),
    "videos": ("video_id", "valid_from", *VIDEO_CATEGORIES, "first_tag", "duration_log", "portrait"),
    "video_author": ("video_id", "author_id", "valid_from"),
    "video_tag": ("video_id", "tag", "valid_from"),
    **HISTORY_TABLES,
}

_LOG = (
    *("time_ms", "user_id", "video_id", "tab", "date", "hourmin", "is_rand", "duration_ms"),
    *OUTCOMES,
)
_VIEW = ("user_id", "video_id", "time_ms")
_NUMBERS, _TEXT = pa.float64(), pa.string()  # small integers with missing values are written as 1.0
_MEMBERS = {"user_id": pa.int64(), "user_active_degree": _TEXT}
_MEMBERS |= dict.fromkeys([*MEMBER_CATEGORIES[1:], *MEMBER_COUNTS, *ONE_HOT], _NUMBERS)
_VIDEOS = {"video_id": pa.int64(), "author_id": pa.int64(), "video_type": _TEXT, "upload_type": _TEXT}
_VIDEOS |= dict.fromkeys(["music_type", "video_duration", "server_width", "server_height"], _NUMBERS) | {"tag": _TEXT}
_HOUR = 3_600_000


def check_options(options: Mapping[str, Value]) -> None:
    """Raise SourceError for an option other than ``tab``."""
    if wrong := sorted(set(options) - {"tab"}):
        raise SourceError(f"source.options: expected none but tab for kuairand; found {wrong[0]!r}")
    if type(options.get("tab", 0)) is not int:
        raise SourceError(f"source.options.tab: expected a whole number; found {options['tab']!r}")


def read(spec: Spec, data: Path | None) -> dict[str, pd.DataFrame]:
    """Read every table of TABLES. Raises SourceError if the folder does not have the layout."""
    folder = _folder(data)
    log, dropped = _read_log(folder)
    members = _read_csv([folder / "user_features_pure.csv"], _MEMBERS)
    videos = _read_csv([folder / "video_features_basic_pure.csv"], _VIDEOS)
    spec = resolved(spec, log["time_ms"].to_numpy() * 1000)
    start = spec.span("graph").start
    lists = folder / "user_history_pure.parquet"
    before = log["time_ms"].to_numpy() * 1000 < start
    log["impression_id"] = np.cumsum(~before) - 1  # the same with and without a tab
    tab = spec.source.options.get("tab")
    log, before = (log, before) if tab is None else (log[shown := log["tab"] == tab], before[shown])
    past = log[before]
    history = with_log(from_lists(lists, start), past) if lists.is_file() and tab is None else from_log(past)
    impressions = _impressions(log[~before].reset_index(drop=True), videos)
    copy_quarantine(log, impressions)
    impressions.attrs[WINDOWS] = spec.windows
    dropped["before the first day: history"] = int(before.sum())
    impressions.attrs["dropped"] = {reason: rows for reason, rows in dropped.items() if rows}
    return {
        "impressions": impressions,
        "members": _members(members),
        "videos": _videos(videos),
        "video_author": videos[["video_id", "author_id"]].assign(valid_from=BEFORE_EVERYTHING),
        "video_tag": _tags(videos),
        **history_tables(history, start),
    }


def _folder(data: Path | None) -> Path:
    if data is None:
        raise SourceError("kuairand: expected the folder of KuaiRand-Pure (make demo DATA=folder); found none")
    for folder in (Path(data) / "data", Path(data)):
        if any(folder.glob("log_*.csv")):
            return folder
    raise SourceError(f"kuairand: expected log_*.csv in {data} or {data}/data; found none")


def _read_csv(paths: list[Path], types: Mapping[str, pa.DataType]) -> pd.DataFrame:
    """Distinct sorted rows of CSV files; ``attrs["rows"]`` counts duplicates too."""
    tables = [read_delimited(path, types, "KuaiRand-Pure") for path in paths]
    with duckdb.connect() as connection:
        connection.register("rows", pa.concat_tables(tables))
        frame = connection.execute("SELECT DISTINCT * FROM rows ORDER BY ALL").df()
    frame.attrs["rows"] = sum(len(table) for table in tables)
    return frame


def _read_log(folder: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """The log with each view once, sorted by (time, user, video), and the rows that were dropped, by reason."""
    try:
        log = _read_csv(sorted(folder.glob("log_*.csv")), dict.fromkeys(_LOG, pa.int64()))
    except SourceError as error:
        raise SourceError(f"{folder}/log_*.csv: {error}") from None
    repeated = log.attrs.pop("rows") - len(log)
    # Before anything is derived, since exposures and gaps of other rows depend on the log's time span.
    possible = quarantine_by(
        "impressions", log, {"time_ms": microseconds_of(log["time_ms"].to_numpy()), "outcome": settled(log)}
    )
    again = possible.iloc[np.argsort(-settled(possible), kind="stable")].duplicated(list(_VIEW)).sort_index()
    once = possible[~again].reset_index(drop=True)
    return once, {"duplicates": repeated, "same view logged again": int(again.sum())}


def _impressions(log: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    member, time = log["user_id"].to_numpy(), log["time_ms"].to_numpy()
    last_hour = exposures_before(member, time, _HOUR)
    return pd.DataFrame(
        {
            "impression_id": log["impression_id"],
            "time": _times(microseconds_of(log["time_ms"].to_numpy())),
            "settled_time": _times(settled(log)),
            "user_id": log["user_id"],
            "video_id": log["video_id"],
            "surface": log["tab"].astype(str),
            "is_rand": log["is_rand"],
            "seconds_since_last_log": np.log1p(since_last(member, time) / 1000),
            "exposures_last_hour_log": np.log1p(last_hour),
            "exposures_last_day_log": np.log1p(exposures_before(member, time, 24 * _HOUR)),
            "seen_before": exposures_before(member * (log["video_id"].max() + 1) + log["video_id"].to_numpy(), time)
            > 0,
            **{name: log[name] for name in OUTCOMES},
            "engaged": log[list(ENGAGED)].max(axis=1),
            **_watched(log, videos),
        }
    )


def _watched(log: pd.DataFrame, videos: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of WATCHED, with the duration of the video file."""
    duration = log["video_id"].map(videos.set_index("video_id")["video_duration"]).astype(float)
    share = (log["play_time_ms"] / duration.where(duration > 0)).clip(0, 1).fillna(0)
    return {
        "play_percent": (100 * share).round().astype("int64"),
        "play_seconds": (log["play_time_ms"] // 1000).clip(0, LONG_PLAY),
        "left_early": (log["play_time_ms"] < EARLY).astype("int64"),
    }


def exposures_before(key: np.ndarray, time: np.ndarray, within: int | None = None) -> np.ndarray:
    """Count rows of the same key strictly before each row's time, at most ``within`` (same unit) earlier.

    key, time: (rows,) int64, in any order -> (rows,) int64.
    """
    codes, elapsed, span = _coded(key, time)
    ordered = np.sort(codes * span + elapsed)
    start = np.zeros_like(elapsed) if within is None else np.maximum(elapsed - within, 0)
    return np.searchsorted(ordered, codes * span + elapsed) - np.searchsorted(ordered, codes * span + start)


def since_last(key: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Time since the previous row of the same key: (rows,) float64, NaN for a first row."""
    codes, elapsed, span = _coded(key, time)
    ordered = np.sort(codes * span + elapsed)
    previous = ordered[np.maximum(np.searchsorted(ordered, codes * span + elapsed) - 1, 0)]
    return np.where(exposures_before(key, time) > 0, codes * span + elapsed - previous, np.nan)


def _coded(key: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(keys as 0..n-1, time since the first, a bound above every time): key * span + time sorts by (key, time)."""
    codes = np.unique(key, return_inverse=True)[1].astype(np.int64)
    elapsed = time - time.min() if len(time) else time
    return codes, elapsed, int(elapsed.max(initial=0)) + 1


def _members(raw: pd.DataFrame) -> pd.DataFrame:
    known = raw.replace(-124, np.nan).replace("UNKNOWN", None)
    frame = pd.DataFrame({"user_id": raw["user_id"], "valid_from": BEFORE_EVERYTHING})
    for name in MEMBER_CATEGORIES:
        frame[name] = _category(known[name])
    for name in MEMBER_COUNTS:
        frame[f"{name}_log"] = np.log1p(known[name].astype(float))
    for name in ONE_HOT:
        frame[name] = known[name].astype(float) if name in MANY_VALUED else _category(known[name])
    return frame


def _videos(raw: pd.DataFrame) -> pd.DataFrame:
    known = raw.replace("UNKNOWN", None)
    frame = pd.DataFrame({"video_id": raw["video_id"], "valid_from": BEFORE_EVERYTHING})
    for name in VIDEO_CATEGORIES:
        frame[name] = _category(known[name])
    frame["first_tag"] = _category(known["tag"].astype("string").str.split(",").str[0])
    frame["duration_log"] = np.log(known["video_duration"].astype(float) / 1000)
    frame["portrait"] = np.where(known["server_height"] > known["server_width"], 1.0, 0.0)
    return frame


def _tags(videos: pd.DataFrame) -> pd.DataFrame:
    """One row per video and tag."""
    tags = videos["tag"].astype("string").str.split(",")
    rows = pd.DataFrame({"video_id": videos["video_id"], "tag": tags}).explode("tag").dropna()
    return rows.assign(tag=rows["tag"].astype("int64"), valid_from=BEFORE_EVERYTHING).reset_index(drop=True)


def _category(values: pd.Series) -> pd.Series:
    """Values as strings; integers without a decimal point; missing stays missing."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        values = values.astype("Int64")
    return values.astype("string").astype(object).where(values.notna(), None)


def _times(microseconds: np.ndarray) -> pd.Series:
    return pd.Series(microseconds.astype("datetime64[us]")).dt.tz_localize("UTC")
