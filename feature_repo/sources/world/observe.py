"""What a company would have in its tables: the world's events, and a noisy view of what it is made of."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feature_repo.sources.world.behaviour import FEED_ACTIONS, JOB_ACTIONS, Events
from feature_repo.sources.world.content import COMPANY_SIZES, FORMATS
from feature_repo.sources.world.draw import DAY, Ints, observed
from feature_repo.sources.world.members import COUNTRIES, INDUSTRIES, SENIORITIES, Members
from feature_repo.sources.world.notifications import KINDS, SURFACES
from feature_repo.sources.world.world import World

_LONG_AGO = -1_000 * DAY  # creators and companies are older than the world
_CONTENT_NOISE = 0.15
_BADGE_SHARE = 0.5  # of those who look for a job
_PROFILE_NOISE = 1.3  # a profile says less about interests than behaviour does
_STRENGTH = np.array([0.5, 1.0, 2.0])  # by FEED_ACTIONS: the weight of the edge
Stamp = Callable[[Ints], pd.DatetimeIndex]


def observe(world: World, start: int, seed: int) -> dict[str, pd.DataFrame]:
    """Every table of the professional network. ``start`` is the world's first midnight in microseconds UTC."""

    def stamp(seconds: Ints) -> pd.DatetimeIndex:
        return pd.DatetimeIndex((seconds * 1_000_000 + start).astype("datetime64[us]")).tz_localize("UTC")

    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    content, network, notes, sent = world.content, world.network, world.notifications, world.sent
    creators, companies = np.arange(len(content.creator_reach)), np.arange(len(content.company_size))
    posts, jobs = np.arange(len(content.post_created)), np.arange(len(content.job_created))
    of_post, of_job = np.flatnonzero(notes.post >= 0), np.flatnonzero(notes.job >= 0)
    kinds = _names(KINDS, notes.kind)
    return {
        "members": _profiles(rng, world.members, stamp, int(world.sent.time.max(initial=0))),
        "creators": pd.DataFrame(
            {
                "creator_id": creators,
                "valid_from": stamp(np.full(len(creators), _LONG_AGO)),
                "creator_industry": _names(INDUSTRIES, content.creator_industry),
                "creator_vector": list(observed(rng, content.creator_direction, _CONTENT_NOISE)),
            }
        ),
        "companies": pd.DataFrame(
            {
                "company_id": companies,
                "valid_from": stamp(np.full(len(companies), _LONG_AGO)),
                "company_industry": _names(INDUSTRIES, content.company_industry),
                "company_size": _names(COMPANY_SIZES, content.company_size),
                "company_vector": list(observed(rng, content.company_direction, _CONTENT_NOISE)),
            }
        ),
        "posts": pd.DataFrame(
            {
                "post_id": posts,
                "creator_id": content.post_creator,
                "valid_from": stamp(content.post_created),
                "post_format": _names(FORMATS, content.post_format),
                "post_vector": list(observed(rng, content.post_direction, _CONTENT_NOISE)),
            }
        ),
        "jobs": pd.DataFrame(
            {
                "job_id": jobs,
                "company_id": content.job_company,
                "valid_from": stamp(content.job_created),
                "job_seniority": _names(SENIORITIES, content.job_seniority),
                "job_vector": list(observed(rng, content.job_direction, _CONTENT_NOISE)),
            }
        ),
        "notifications": pd.DataFrame(
            {
                "notification_id": np.arange(len(notes.kind)),
                "valid_from": stamp(notes.created),
                "notification_kind": kinds,
                "notification_vector": list(observed(rng, notes.direction, _CONTENT_NOISE)),
            }
        ),
        "notification_posts": pd.DataFrame(
            {
                "notification_id": of_post,
                "post_id": notes.post[of_post],
                "creator_id": content.post_creator[notes.post[of_post]],
                "time": stamp(notes.created[of_post]),
            }
        ),
        "notification_jobs": pd.DataFrame(
            {"notification_id": of_job, "job_id": notes.job[of_job], "time": stamp(notes.created[of_job])}
        ),
        "feed_events": _events(world.feed, "post_id", FEED_ACTIONS, stamp(world.feed.time)).assign(
            strength=_STRENGTH[world.feed.action]
        ),
        "job_events": _events(world.jobs, "job_id", JOB_ACTIONS, stamp(world.jobs.time)),
        "connections": pd.DataFrame(
            {"member_id": network.member, "connection_id": network.connection, "time": stamp(network.connected)}
        ),
        "follows": pd.DataFrame(
            {"member_id": network.follower, "creator_id": network.creator, "time": stamp(network.followed)}
        ),
        "impressions": pd.DataFrame(
            {
                "impression_id": np.arange(len(sent.time)),
                "member_id": sent.member,
                "notification_id": sent.notification,
                "surface": _names(SURFACES, sent.surface),
                "time": stamp(sent.time),
                "settled_time": stamp(world.outcomes.settled),
                "channel_kind": kinds[sent.notification],
                "clicked": world.outcomes.clicked,
                "engaged": world.outcomes.engaged,
            }
        ),
        "oracle": pd.DataFrame(
            {"impression_id": np.arange(len(sent.time)), "probability": np.round(world.outcomes.probability, 6)}
        ),
    }


def _profiles(rng: np.random.Generator, members: Members, stamp: Stamp, until: int) -> pd.DataFrame:
    """Versions of each profile: at joining, at a promotion, when the badge "open to work" goes on and off."""
    count = len(members.joined)
    everyone = np.arange(count)
    vectors = list(observed(rng, members.interests[:, 0], _PROFILE_NOISE))
    shows = (rng.random(count) < _BADGE_SHARE) & (members.seeking_from < members.seeking_until)
    badge_on = np.where(shows, np.maximum(members.seeking_from, members.joined) + DAY, until)
    badge_off = np.where(shows, members.seeking_until, until)
    later = np.concatenate([members.promoted, badge_on, badge_off])
    who = np.tile(everyone, 3)
    kept = (later > members.joined[who]) & (later < until)
    member = np.concatenate([everyone, who[kept]])
    since = np.concatenate([members.joined, later[kept]])
    member, since = np.unique(np.stack([member, since]), axis=1)
    return pd.DataFrame(
        {
            "member_id": member,
            "valid_from": stamp(since),
            "industry": _names(INDUSTRIES, members.industry[member]),
            "seniority": _names(SENIORITIES, members.seniority_at(member, since)),
            "country": _names(COUNTRIES, members.country[member]),
            "open_to_work": _names(("no", "yes"), (badge_on[member] <= since) & (since < badge_off[member])),
            "profile_vector": [vectors[one] for one in member],
        }
    )


def _events(events: Events, target: str, actions: Sequence[str], time: pd.DatetimeIndex) -> pd.DataFrame:
    """Rows of engagement, numbered in the order of time."""
    return pd.DataFrame(
        {
            "event_id": np.arange(len(events.time)),
            "member_id": events.member,
            target: events.target,
            "action": _names(actions, events.action),
            "time": time,
        }
    )


def _names(names: Sequence[str], code: NDArray[np.integer] | NDArray[np.bool_]) -> NDArray[np.object_]:
    """Codes as the strings they stand for."""
    return np.array(names, dtype=object)[code.astype(np.int64)]
