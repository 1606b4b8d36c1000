"""KuaiRand history before the first day: edges of a warm graph, and features as of that day.

The list file keeps, per member, the last 50 videos of three lists (watched, watched long, liked), oldest first, without
times. They are placed on one time axis: a member's ``history_len`` views are assumed evenly spaced from the log's first
day to the member's last view, and each list ends just before ``last_time_ms``. A long watch or a like is the same event
as its view, matched from the newest backwards (the lists match exactly if the whole history is kept); events older than
the 50 views are spread evenly over the time before them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.sources.errors import SourceError
from feature_repo.sources.files import read_once
from feature_repo.sources.quarantine import microseconds_of
from models.time_units import DAY

_LISTS = ("user_id", "history_len", "last_time_ms", "watch_seq", "long_watch_seq", "like_seq")
_HISTORY_START = int(pd.Timestamp("2022-04-08", tz="Asia/Shanghai").timestamp() * 1e6)
"""First day of the official logs, microseconds UTC."""
_SMOOTHING = 10.0
"""Pseudo-views at the overall rate in the rates of members and videos."""
_SWEEPS = 6
"""Back-fitting sweeps; the effects converge within these."""

HISTORY_TABLES: dict[str, tuple[str, ...]] = {
    "history_watch": ("user_id", "video_id", "time", "long_watched", "liked"),
    "history_long_watch": ("user_id", "video_id", "time"),
    "history_like": ("user_id", "video_id", "time"),
    "member_history": (
        *("user_id", "valid_from", "member_history_log", "member_long_watches_log", "member_likes_log"),
        *("member_long_watch_rate", "member_like_rate", "member_days_away_log"),
        *("member_long_watch_effect", "member_like_effect"),
    ),
    "video_history": (
        *("video_id", "valid_from", "video_watches_log", "video_long_watches_log", "video_likes_log"),
        *("video_long_watch_rate", "video_like_rate", "video_long_watch_effect", "video_like_effect"),
    ),
}


def from_lists(path: Path, until: int) -> pd.DataFrame:
    """Read the list file as events, with times in microseconds UTC.

    Columns: user_id, video_id, time, watched, long_watched, liked, history_len, last. ``watched``: the view is one of
    the last 50, for all of which long watches and likes are known; rates use only those. ``until`` is the first day's
    midnight. Lists beyond it contain what a model must not know yet and, without times, cannot be cut. Raises
    SourceError.
    """
    table = read_once(path, "all columns", lambda: pq.read_table(path))
    missing = [name for name in _LISTS if name not in table.column_names]
    if missing:
        raise SourceError(f"{path}: expected the column {missing[0]}; found {', '.join(table.column_names)}")
    table = table.select(list(_LISTS)).combine_chunks()
    _check_end(path, table, until)
    watch = _Lists.of(table, "watch_seq")
    flags = {"long_watched": np.zeros(len(watch.values), bool), "liked": np.zeros(len(watch.values), bool)}
    parts = []
    for name, column in (("long_watched", "long_watch_seq"), ("liked", "like_seq")):
        some = _Lists.of(table, column)
        places = _match(watch, some)
        flags[name][places[places >= 0]] = True
        older = pd.DataFrame({"member": some.owners, "video_id": some.values, "views_ago": 0.0})[places < 0]
        count = older.groupby("member")["member"].transform("size").to_numpy()
        place = older.groupby("member").cumcount().to_numpy()
        kept = watch.lengths[older["member"]]
        gap = np.maximum(table["history_len"].to_numpy()[older["member"]] - kept, count) / np.maximum(count, 1)
        older["views_ago"] = kept - 0.5 + gap * (count - place - 0.5)
        parts.append(older.assign(watched=False, long_watched=name == "long_watched", liked=name == "liked"))
    views = pd.DataFrame({"member": watch.owners, "video_id": watch.values})
    views["views_ago"] = views.groupby("member").cumcount(ascending=False).astype(float)
    events = pd.concat([views.assign(watched=True, **flags), *parts], ignore_index=True)
    member = events.pop("member").to_numpy()
    for name in ("user_id", "history_len"):
        events[name] = table[name].to_numpy()[member]
    last = table["last_time_ms"].to_numpy()[member] * 1000
    interval = np.maximum(last - _HISTORY_START, 0) / np.maximum(events["history_len"], 1)
    ago = 1 + (events.pop("views_ago") * interval).astype("int64")  # strictly before the last view's time
    return events.assign(time=last - ago, last=last)


def from_log(log: pd.DataFrame) -> pd.DataFrame:
    """Log rows before the first day, in the same form as ``from_lists``, at their own times."""
    shown = log["time_ms"] * 1000
    return pd.DataFrame(
        {
            "user_id": log["user_id"],
            "video_id": log["video_id"],
            "watched": True,
            "long_watched": log["long_view"] == 1,
            "liked": log["is_like"] == 1,
            "history_len": log.groupby("user_id")["user_id"].transform("size"),
            "time": settled(log),
            "last": shown.groupby(log["user_id"]).transform("max"),
        }
    ).reset_index(drop=True)


def settled(log: pd.DataFrame) -> np.ndarray:
    """When the outcomes of log rows were known: (rows,) int64 microseconds, after view, comments and profile."""
    durations = [log[name].to_numpy() for name in ("play_time_ms", "comment_stay_time", "profile_stay_time")]
    return microseconds_of(log["time_ms"].to_numpy()) + sum(microseconds_of(duration) for duration in durations)


def with_log(lists: pd.DataFrame, log: pd.DataFrame) -> pd.DataFrame:
    """The lists' events, and the log's after the lists' last day (Beijing time), which the lists cover as a whole."""
    if lists.empty:
        return from_log(log)
    last = pd.Timestamp(int(lists["last"].max()), unit="us", tz="UTC").tz_convert("Asia/Shanghai")
    midnight = int((last.normalize() + pd.Timedelta(days=1)).timestamp() * 1000)
    later = from_log(log[log["time_ms"] >= midnight])
    if later.empty:
        return lists
    events = pd.concat([lists, later], ignore_index=True)
    counted = [part.groupby("user_id")["history_len"].max() for part in (lists, later)]
    events["history_len"] = events["user_id"].map(counted[0].add(counted[1], fill_value=0))
    return events


def _check_end(path: Path, table: pa.Table, until: int) -> None:
    """Raise SourceError, naming the first such member, if a list contains a view within the windows."""
    last = table["last_time_ms"]
    if last.null_count:
        raise SourceError(
            f"{path}, column last_time_ms: expected a time for every member; found {last.null_count} nulls"
        )
    late = np.flatnonzero(last.to_numpy() * 1000 >= until)
    if len(late):
        first = int(late[0])
        raise SourceError(
            f"{path}: expected lists that end before {pd.Timestamp(until, unit='us', tz='UTC')} (spec: "
            f"windows.start); found {len(late)} beyond, the first of user_id {table['user_id'][first].as_py()} until "
            f"{pd.Timestamp(last[first].as_py(), unit='ms', tz='UTC')}. Let the windows begin later, or remove "
            "the file: then the log before the start is the history"
        )


def history_tables(events: pd.DataFrame, until: int) -> dict[str, pd.DataFrame]:
    """Edge tables, and features of members and videos as of ``until`` (microseconds UTC)."""
    events = events[events["time"] < until]
    time = pd.to_datetime(events["time"], unit="us", utc=True).astype("datetime64[us, UTC]")
    edges = events[["user_id", "video_id"]].assign(
        time=time, long_watched=events["long_watched"].astype("int8"), liked=events["liked"].astype("int8")
    )
    plain = ["user_id", "video_id", "time"]
    as_of = pd.Timestamp(until, unit="us", tz="UTC").as_unit("us")
    effects = _effects(events[events["watched"]])
    members, videos = (_counts(events, key).join(effects[key]) for key in ("user_id", "video_id"))
    lengths = events.groupby("user_id")[["history_len", "last"]].max().reindex(members.index)
    days_away = (until - lengths["last"].to_numpy(dtype=np.int64)) / DAY
    return {
        "history_watch": edges[events["watched"]].reset_index(drop=True),
        "history_long_watch": edges.loc[events["long_watched"], plain].reset_index(drop=True),
        "history_like": edges.loc[events["liked"], plain].reset_index(drop=True),
        "member_history": pd.DataFrame(
            {
                "user_id": members.index,
                "valid_from": as_of,
                "member_history_log": np.log1p(lengths["history_len"].to_numpy(dtype=float)),
                "member_long_watches_log": np.log1p(members["long_watches"].to_numpy()),
                "member_likes_log": np.log1p(members["likes"].to_numpy()),
                "member_long_watch_rate": members["long_watch_rate"].to_numpy(),
                "member_like_rate": members["like_rate"].to_numpy(),
                "member_days_away_log": np.log1p(np.maximum(days_away, 0)),
                "member_long_watch_effect": members["long_watch_effect"].to_numpy(),
                "member_like_effect": members["like_effect"].to_numpy(),
            }
        ),
        "video_history": pd.DataFrame(
            {
                "video_id": videos.index,
                "valid_from": as_of,
                "video_watches_log": np.log1p(videos["watches"].to_numpy()),
                "video_long_watches_log": np.log1p(videos["long_watches"].to_numpy()),
                "video_likes_log": np.log1p(videos["likes"].to_numpy()),
                "video_long_watch_rate": videos["long_watch_rate"].to_numpy(),
                "video_like_rate": videos["like_rate"].to_numpy(),
                "video_long_watch_effect": videos["long_watch_effect"].to_numpy(),
                "video_like_effect": videos["like_effect"].to_numpy(),
            }
        ),
    }


class _Lists(NamedTuple):
    """One list per member, concatenated."""

    values: np.ndarray
    owners: np.ndarray  # (values,) int64: the row of the member whose list it is
    lengths: np.ndarray  # (members,) int64

    @classmethod
    def of(cls, table: pa.Table, column: str) -> "_Lists":
        lists = table[column].combine_chunks()
        lengths = lists.value_lengths().fill_null(0).to_numpy().astype(np.int64)
        return cls(lists.flatten().to_numpy(), np.repeat(np.arange(len(lengths)), lengths), lengths)


def _match(watch: _Lists, some: _Lists) -> np.ndarray:
    """Match each event of ``some`` to a place in ``watch``, from the newest backwards; -1 = older than all of them."""
    watched, wanted = watch.values.tolist(), some.values.tolist()
    places = np.full(len(wanted), -1, dtype=np.int64)
    watch_end = some_end = 0
    for watch_length, some_length in zip(watch.lengths.tolist(), some.lengths.tolist(), strict=True):
        watch_start, some_start = watch_end, some_end
        watch_end, some_end = watch_start + watch_length, some_start + some_length
        place = watch_end - 1
        for number in range(some_end - 1, some_start - 1, -1):
            while place >= watch_start and watched[place] != wanted[number]:
                place -= 1
            if place < watch_start:
                break
            places[number] = place
            place -= 1
    return places


def _counts(events: pd.DataFrame, key: str) -> pd.DataFrame:
    """By key: counts of watches, long watches and likes, and smoothed rates over the views of the watch list."""
    watched = events[events["watched"]]
    totals = events.groupby(key)[["watched", "long_watched", "liked"]].sum().astype(float)
    known = watched.groupby(key)[["long_watched", "liked"]].sum().reindex(totals.index, fill_value=0).astype(float)
    result = totals.set_axis(["watches", "long_watches", "likes"], axis=1)
    for column, name in (("long_watched", "long_watch_rate"), ("liked", "like_rate")):
        overall = float(watched[column].mean()) if len(watched) else 0.0
        result[name] = (known[column] + _SMOOTHING * overall) / (totals["watched"] + _SMOOTHING)
    return result


def _effects(watched: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Member and video effects on long watches and likes, each adjusted for the other.

    Fits rate = overall + member + video by back-fitting (Hastie and Tibshirani, Generalized Additive Models, 1990,
    section 4.4); each effect is shrunk toward 0 by _SMOOTHING pseudo-views.
    """
    found, codes = {}, {}
    for key in ("user_id", "video_id"):
        codes[key], names = pd.factorize(watched[key])
        found[key] = pd.DataFrame(index=pd.Index(names, name=key))
    for column, name in (("long_watched", "long_watch_effect"), ("liked", "like_effect")):
        value = watched[column].to_numpy(dtype=float)
        centered = value - value.mean() if len(value) else value
        effect = {key: np.zeros(len(frame)) for key, frame in found.items()}
        for _ in range(_SWEEPS):
            for key, other in (("video_id", "user_id"), ("user_id", "video_id")):
                residual = np.bincount(codes[key], centered - effect[other][codes[other]], len(found[key]))
                effect[key] = residual / (np.bincount(codes[key], minlength=len(found[key])) + _SMOOTHING)
        for key, frame in found.items():
            frame[name] = effect[key]
    return found
