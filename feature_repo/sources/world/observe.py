"""Observed tables: the world's events and noisy views of its latent variables, as a company would store them."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feature_repo.sources.world.behavior import FEED_ACTIONS, JOB_ACTIONS, Events
from feature_repo.sources.world.content import COMPANY_SIZES, FORMATS, Content
from feature_repo.sources.world.draw import DAY, Ints, observed
from feature_repo.sources.world.members import COUNTRIES, INDUSTRIES, SENIORITIES, Members
from feature_repo.sources.world.notifications import KINDS, SURFACES, Notifications
from feature_repo.sources.world.world import World
from models.time_units import SECOND

_LONG_AGO = -1_000 * DAY  # creators and companies are older than the simulation
_CONTENT_NOISE = 0.15
_BADGE_SHARE = 0.5  # of those who look for a job
_PROFILE_NOISE = 1.3  # a profile reveals less about interests than behavior does
_STRENGTH = np.array([0.5, 1.0, 2.0])  # edge weight by FEED_ACTIONS
Stamp = Callable[[Ints], pd.DatetimeIndex]
Tables = dict[str, pd.DataFrame]


def observe(world: World, start: int, seed: int) -> Tables:
    """Every table of the professional network. ``start`` is the simulation's first midnight in microseconds UTC."""

    def stamp(seconds: Ints) -> pd.DatetimeIndex:
        return pd.DatetimeIndex((seconds * SECOND + start).astype("datetime64[us]")).tz_localize("UTC")

    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    return {
        "members": _profiles(rng, world.members, stamp, int(world.sent.time.max(initial=0))),
        **_publishers(rng, world.content, stamp),
        **_posts_and_jobs(rng, world.content, stamp),
        **_notifications(rng, world.notifications, world.content, stamp),
        **_engagements(world, stamp),
        **_impressions(world, stamp),
    }


def _publishers(rng: np.random.Generator, content: Content, stamp: Stamp) -> Tables:
    creators, companies = np.arange(len(content.creator_reach)), np.arange(len(content.company_size))
    return {
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
    }


def _posts_and_jobs(rng: np.random.Generator, content: Content, stamp: Stamp) -> Tables:
    return {
        "posts": pd.DataFrame(
            {
                "post_id": np.arange(len(content.post_created)),
                "creator_id": content.post_creator,
                "valid_from": stamp(content.post_created),
                "post_format": _names(FORMATS, content.post_format),
                "post_vector": list(observed(rng, content.post_direction, _CONTENT_NOISE)),
            }
        ),
        "jobs": pd.DataFrame(
            {
                "job_id": np.arange(len(content.job_created)),
                "company_id": content.job_company,
                "valid_from": stamp(content.job_created),
                "job_seniority": _names(SENIORITIES, content.job_seniority),
                "job_vector": list(observed(rng, content.job_direction, _CONTENT_NOISE)),
            }
        ),
    }


def _notifications(rng: np.random.Generator, notes: Notifications, content: Content, stamp: Stamp) -> Tables:
    of_post, of_job = np.flatnonzero(notes.post >= 0), np.flatnonzero(notes.job >= 0)
    return {
        "notifications": pd.DataFrame(
            {
                "notification_id": np.arange(len(notes.kind)),
                "valid_from": stamp(notes.created),
                "notification_kind": _names(KINDS, notes.kind),
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
    }


def _engagements(world: World, stamp: Stamp) -> Tables:
    network = world.network
    return {
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
    }


def _impressions(world: World, stamp: Stamp) -> Tables:
    """The impressions, and the oracle: the true click probabilities, to six decimals."""
    sent, outcomes = world.sent, world.outcomes
    return {
        "impressions": pd.DataFrame(
            {
                "impression_id": np.arange(len(sent.time)),
                "member_id": sent.member,
                "notification_id": sent.notification,
                "surface": _names(SURFACES, sent.surface),
                "time": stamp(sent.time),
                "settled_time": stamp(outcomes.settled),
                "channel_kind": _names(KINDS, world.notifications.kind)[sent.notification],
                "clicked": outcomes.clicked,
                "engaged": outcomes.engaged,
            }
        ),
        "oracle": pd.DataFrame(
            {"impression_id": np.arange(len(sent.time)), "probability": np.round(outcomes.probability, 6)}
        ),
    }


def _profiles(rng: np.random.Generator, members: Members, stamp: Stamp, until: int) -> pd.DataFrame:
    """Profile versions: at joining, at a promotion, and when the "open to work" badge is set and removed."""
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
    """Engagement rows, numbered by time."""
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
    """The names of codes: (n,) integers -> (n,) strings."""
    return np.array(names, dtype=object)[code.astype(np.int64)]
