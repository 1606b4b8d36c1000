"""KuaiRand-Pure: vectors of what members watched on tab 1 and before the log, for clicks on the small tabs."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.studies.semantic.as_of import Counts
from benchmarks.studies.semantic.sample import Sample, Vectors, codes_of
from benchmarks.studies.semantic.world import DELAY, counted, micros, where, windows_of
from feature_repo.collaborative.base import fit_base, member_effects, residuals
from feature_repo.collaborative.events import Pairs
from feature_repo.collaborative.low_rank import item_factors, member_factors
from feature_repo.collaborative.snapshot import matrix
from feature_repo.sources import adapter
from models.collaborative.schedule import visible_cuts
from models.spec import load_spec
from models.spec.schema import Spec

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "kuairand.yaml"
SOURCE, TARGETS = "1", ("0", "2", "4", "6")
RANK = 64
_HISTORY = 200
_PROFILE_NUMBERS = ("follow_user_num_log", "fans_user_num_log", "friend_user_num_log", "register_days_log")


def kuairand(folder: Path) -> Sample:
    """The rows of the small tabs in the logs below ``folder``."""
    spec = load_spec(CONFIG)
    tables: dict[str, Any] = adapter(spec.source.adapter).read(spec, folder)
    every = tables["impressions"]
    shown = every[every["surface"].isin(TARGETS)].sort_values(["time", "impression_id"])
    time, settled = (micros(shown[name]) for name in ("time", "settled_time"))
    user, item = (shown[name].to_numpy() for name in ("user_id", "video_id"))
    label, window = shown["is_click"].to_numpy(float), windows_of(spec, time)
    source = _source(every[every["surface"] == SOURCE], tables["history_watch"])
    vectors, events = _factors(spec, source, (user, item), time)
    numbers, clicks = counted(spec, (user, item), time, settled, label)
    watched = every[every["surface"] == SOURCE]
    popular = _popularity(watched, item, time)
    videos = tables["videos"].set_index("video_id").loc[item]
    history = tables["video_history"].set_index("video_id").reindex(item)
    authors = tables["video_author"].drop_duplicates("video_id").set_index("video_id")["author_id"].reindex(item)
    content = [videos["duration_log"].to_numpy(float), history["video_long_watch_rate"].to_numpy(float)]
    members = tables["members"].drop_duplicates("user_id").set_index("user_id").loc[user]
    kinds = [name for name in members.columns if members[name].dtype == object or name.startswith("onehot")]
    sample = Sample(
        name="KuaiRand-Pure",
        about="source: tab 1 and the history before the log, low-rank factors of what members watched for long, of "
        "members and of videos; target: clicks on tabs 0, 2, 4 and 6",
        label=label,
        user=user,
        window=window,
        numbers=np.column_stack([*numbers, *popular, *content]).astype(np.float32),
        categories=codes_of(
            shown["surface"].to_numpy(),
            videos["first_tag"].to_numpy(),
            videos["music_type"].to_numpy(),
            videos["upload_type"].to_numpy(),
            authors.to_numpy() % 499,
        ),
        profile_numbers=members[list(_PROFILE_NUMBERS)].to_numpy(np.float32),
        profile_categories=codes_of(*(members[name].to_numpy() for name in kinds)),
        vectors=vectors,
        target_events=clicks,
        source_events=events,
    )
    return where(sample, window >= 0)


def _source(shown: Any, history: Any) -> dict[str, np.ndarray]:
    """Events of the source: member, item, when it settled, and whether it was a long watch."""
    parts = [(shown, "settled_time", "long_view"), (history, "time", "long_watched")]
    return {
        "member": np.concatenate([part["user_id"].to_numpy() for part, _, _ in parts]),
        "item": np.concatenate([part["video_id"].to_numpy() for part, _, _ in parts]),
        "time": np.concatenate([micros(part[time]) for part, time, _ in parts]),
        "long": np.concatenate([part[long].to_numpy(float) for part, _, long in parts]),
    }


def _popularity(shown: Any, item: np.ndarray, time: np.ndarray) -> list[np.ndarray]:
    """Of the source, for the row's item: exposures and clicks that settled before it, (n,) each."""
    settled, seen = micros(shown["settled_time"]), shown["video_id"].to_numpy()
    clicked, origin = shown["is_click"].to_numpy() > 0, int(min(settled.min(), time.min()))
    known = Counts(seen, settled, origin).before(item, time)
    positive = Counts(seen[clicked], settled[clicked], origin).before(item, time)
    return [np.log1p(known), (positive + 5) / (known + 10)]


def _pairs(source: dict[str, np.ndarray], cut: int, members: int, items: int) -> Pairs:
    """The pairs of the source's events before the cut, of a member those of its newest events."""
    seen = source["time"] < cut
    member, item, long, time = (source[name][seen] for name in ("member", "item", "long", "time"))
    pair, place = np.unique(member.astype(np.int64) * items + item, return_inverse=True)
    newest = np.zeros(len(pair), np.int64)
    np.maximum.at(newest, place, time)
    outcome = (np.bincount(place, long) / np.bincount(place)).astype(np.float32)
    order = np.lexsort((-newest, pair // items))
    owner = (pair // items)[order]
    rank = np.arange(len(order)) - np.searchsorted(owner, owner)
    kept = np.sort(order[rank < _HISTORY])
    keys = pa.array(np.arange(members)), pa.array(np.arange(items))
    found = (pair[kept] // items).astype(np.int32), (pair[kept] % items).astype(np.int32)
    return Pairs(*keys, *found, outcome[kept], outcome[kept] > 0)


def _factors(
    spec: Spec, source: dict[str, np.ndarray], keys: tuple[np.ndarray, np.ndarray], time: np.ndarray
) -> tuple[dict[str, Vectors], np.ndarray]:
    """Factors of members by cut, in the space of the items' at the first cut; and a row's events in the source (n,).

    Later snapshots would have factors of their own, which no code of the first could mean.
    """
    user, item = keys
    members = int(max(user.max(), source["member"].max())) + 1
    items = int(max(item.max(), source["item"].max())) + 1
    first = int(visible_cuts(spec.zone, DELAY, np.array([spec.span("train").start]))[0])
    pairs = _pairs(source, first, members, items)
    mean, effects = fit_base(pairs)
    left = residuals(pairs, mean, member_effects(pairs, mean, effects), effects)
    factors, singular = item_factors(matrix(pairs, left), RANK)
    cuts = visible_cuts(spec.zone, DELAY, time)
    values, keys_, fitted = [], [], np.zeros(0, np.int64)
    row, count, total = np.full(len(user), -1), np.zeros(len(user), np.int64), 0
    for cut in np.unique(np.append(cuts[time >= first], first)):
        now = _pairs(source, int(cut), members, items)
        left = residuals(now, mean, member_effects(now, mean, effects), effects)
        found = member_factors(matrix(now, left), factors, singular)
        own = np.bincount(source["member"][source["time"] < cut], minlength=members)
        known = np.flatnonzero(np.abs(found).sum(axis=1) > 0)
        place = np.full(members, -1)
        place[known] = total + np.arange(len(known))
        reads = cuts == cut
        row[reads], count[reads] = place[user[reads]], own[user[reads]]
        fitted = place[known] if cut == first else fitted
        values.append(found[known])
        keys_.append(known)
        total += len(known)
    known = np.flatnonzero(np.abs(factors).sum(axis=1) > 0)
    place = np.full(items, -1)
    place[known] = np.arange(len(known))
    of_items = Vectors(factors[known], np.arange(len(known)), place[item], known)
    return {"member": Vectors(np.concatenate(values), fitted, row, np.concatenate(keys_)), "item": of_items}, count
