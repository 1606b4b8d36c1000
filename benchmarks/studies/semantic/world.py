"""The simulated network: vectors of what members did in the feed, for clicks on notifications."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.semantic.as_of import Counts, clock, rates
from benchmarks.studies.semantic.sample import TEST, TRAIN, VALIDATE, Sample, Vectors, codes_of
from feature_repo.sources import adapter
from models.collaborative.schedule import visible_cuts
from models.spec import load_spec
from models.spec.schema import Spec
from models.time_units import HOUR

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "professional.yaml"
DELAY = 3 * HOUR
"""From a midnight until its vectors are visible."""
_BITS = 48


def simulated(size: str, seed: int) -> Sample:
    """The rows of the surface notification in a world of this size and seed."""
    spec = load_spec(CONFIG)
    spec = spec.model_copy(update={"source": spec.source.model_copy(update={"options": {"size": size, "seed": seed}})})
    tables: dict[str, Any] = adapter(spec.source.adapter).read(spec, None)
    shown = tables["impressions"]
    shown = shown[shown["surface"] == "notification"].sort_values(["time", "impression_id"])
    time, settled = (micros(shown[name]) for name in ("time", "settled_time"))
    user, item = (shown[name].to_numpy() for name in ("member_id", "notification_id"))
    label = shown["clicked"].to_numpy(float)
    window = windows_of(spec, time)
    content = tables["notifications"].set_index("notification_id").loc[item]
    vectors, events = _feed(spec, tables, user, time)
    numbers, clicks = counted(spec, (user, item), time, settled, label)
    profile = _profile(tables["members"], user, time)
    kept = window >= 0
    sample = Sample(
        name=f"simulated network ({size})",
        about="source: posts of the feed, the mean of the vectors of those that a member reacted to or read; target: "
        "clicks on notifications",
        label=label,
        user=user,
        window=window,
        numbers=np.column_stack([*numbers, np.stack(content["notification_vector"].to_list())]).astype(np.float32),
        categories=codes_of(content["notification_kind"].to_numpy(), shown["channel_kind"].to_numpy()),
        profile_numbers=np.stack(profile["profile_vector"].to_list()).astype(np.float32),
        profile_categories=codes_of(
            *(profile[name].to_numpy() for name in ("industry", "seniority", "country", "open_to_work"))
        ),
        vectors={"member": vectors},
        target_events=clicks,
        source_events=events,
    )
    return where(sample, kept)


def micros(times: Any) -> np.ndarray:
    """A column of times as (n,) int64 microseconds UTC."""
    return np.asarray(times.to_numpy("datetime64[us]").astype(np.int64))


def windows_of(spec: Spec, time: np.ndarray) -> np.ndarray:
    """The window of each time (n,): -1 = before train or after test; the gate's days validate too."""
    found = np.full(len(time), -1)
    for name, number in (("train", TRAIN), ("validate", VALIDATE), ("gate", VALIDATE), ("test", TEST)):
        span = spec.span(name)
        found[(time >= span.start) & (time < span.end)] = number
    return found


def counted(
    spec: Spec, keys: tuple[np.ndarray, np.ndarray], time: np.ndarray, settled: np.ndarray, label: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Columns (n,) of the target's own counters of member and item, and of the hour; and the member's clicks (n,)."""
    origin, mean = int(time.min()), float(label[time < spec.span("train").end].mean())
    columns, clicks = clock(time, spec.zone), np.zeros(0, np.int64)
    for place, key in enumerate(keys):
        known = Counts(key, settled, origin).before(key, time)
        positive = Counts(key[label > 0], settled[label > 0], origin).before(key, time)
        seen = Counts(key, time, origin).before(key, time)
        columns += [*rates(known, positive, mean), np.log1p(seen)]
        clicks = positive if place == 0 else clicks
    return columns, clicks


def where(sample: Sample, kept: np.ndarray) -> Sample:
    """The rows for which ``kept`` (n,) bool is true."""
    changed = {
        name: value[kept]
        for name, value in sample._asdict().items()
        if isinstance(value, np.ndarray) and len(value) == len(kept)
    }
    vectors = {side: one._replace(row=one.row[kept]) for side, one in sample.vectors.items()}
    return sample._replace(**changed, vectors=vectors)


def _feed(spec: Spec, tables: dict[str, Any], user: np.ndarray, time: np.ndarray) -> tuple[Vectors, np.ndarray]:
    """The mean of the posts' vectors by member and cut, and how many events it is of, for each row."""
    events = tables["feed_events"]
    at, member, strength = micros(events["time"]), events["member_id"].to_numpy(), events["strength"].to_numpy(float)
    posts = np.stack(tables["posts"].set_index("post_id").loc[events["post_id"]]["post_vector"].to_list())
    cuts = visible_cuts(spec.zone, DELAY, time)
    first = visible_cuts(spec.zone, DELAY, np.array([spec.span("train").start]))[0]
    members = int(max(user.max(), member.max())) + 1
    values, keys, fitted = [], [], np.zeros(0, np.int64)
    row, count, total = np.full(len(user), -1), np.zeros(len(user), np.int64), 0
    for cut in np.unique(np.append(cuts, first)):
        seen = at < cut
        own = np.bincount(member[seen], minlength=members)
        weight = np.bincount(member[seen], strength[seen], minlength=members)
        sums = np.stack(
            [np.bincount(member[seen], strength[seen] * column[seen], minlength=members) for column in posts.T], axis=1
        )
        known = np.flatnonzero(own)
        place = np.full(members, -1)
        place[known] = total + np.arange(len(known))
        values.append((sums[known] / weight[known, None]).astype(np.float32))
        keys.append(known)
        reads = cuts == cut
        row[reads], count[reads] = place[user[reads]], own[user[reads]]
        fitted = place[known] if cut == first else fitted
        total += len(known)
    return Vectors(np.concatenate(values), fitted, row, np.concatenate(keys)), count


def _profile(members: Any, user: np.ndarray, time: np.ndarray) -> Any:
    """The newest version of each row's member that is valid strictly before it."""
    ordered = members.sort_values(["member_id", "valid_from"]).reset_index(drop=True)
    since = micros(ordered["valid_from"])
    origin = int(since.min())
    place = (ordered["member_id"].to_numpy().astype(np.int64) << _BITS) + (since - origin)
    return ordered.iloc[np.searchsorted(place, (user.astype(np.int64) << _BITS) + (time - origin)) - 1]
