"""Members: observed attributes, and latent interests, activity, job seeking and active hours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.sources.world.draw import DAY, Floats, Ints, unit

INDUSTRIES = (
    "software", "finance", "health", "education", "retail", "energy",
    "media", "logistics", "manufacturing", "law", "research", "design",
)  # fmt: skip
SENIORITIES = ("student", "entry", "associate", "senior", "manager", "director")
COUNTRIES = ("US", "BR", "GB", "DE", "IN", "SG", "JP", "AU")
_COUNTRY_SHARE = (0.30, 0.09, 0.12, 0.12, 0.19, 0.05, 0.06, 0.07)
_COUNTRY_OFFSET = np.array([-6.0, -3.0, 0.0, 1.0, 5.5, 8.0, 9.0, 10.0])  # hours from UTC

DIMENSIONS = 16
NEVER = 2**28  # seconds
INTEREST_STEP = 10 * DAY
_INTEREST_CHANGE = 0.15  # probability of a new current interest, every ten days
_ACTIVITY_STEP = 8 * DAY
_ACTIVITY_KEPT = 0.6


@dataclass(frozen=True)
class Members:
    """One entry per member in every array."""

    industry: Ints
    seniority: Ints  # at joining
    country: Ints
    promoted: Ints  # when seniority rises by one; NEVER for most
    joined: Ints  # seconds; negative (before the simulation) for most
    interests: Floats  # (members, anchors, DIMENSIONS): directions every ten days
    activity: Floats  # (members, anchors): log activity every eight days
    seeking_from: Ints  # period of looking for a job; empty (from == until) for most
    seeking_until: Ints
    peak_hour: Floats  # UTC
    propensity: Floats  # constant inclination to click
    email_taste: Floats
    feed_rate: Floats  # feed engagements per day
    delivery_rate: Floats  # relative

    def interest(self, member: Ints, time: Ints) -> Floats:
        """Interest directions at a time.  (n,), (n,) -> (n, DIMENSIONS)"""
        return unit(_between(self.interests, member, time, INTEREST_STEP))

    def activity_at(self, member: Ints, time: Ints) -> Floats:
        """Log activity at a time, relative to the member's mean.  (n,), (n,) -> (n,)"""
        return _between(self.activity[..., None], member, time, _ACTIVITY_STEP)[:, 0]

    def seniority_at(self, member: Ints, time: Ints) -> Ints:
        """Seniority at a time.  (n,), (n,) -> (n,)"""
        return self.seniority[member] + (self.promoted[member] <= time)

    def seeking(self, member: Ints, time: Ints) -> NDArray[np.bool_]:
        """Who is looking for a job at a time.  (n,), (n,) -> (n,) bool"""
        return (self.seeking_from[member] <= time) & (time < self.seeking_until[member])


def make_members(rng: np.random.Generator, count: int, days: int, topics: Floats) -> Members:
    """Draw the members. ``topics`` is (topics, DIMENSIONS); every industry prefers some of them."""
    industry = rng.choice(len(INDUSTRIES), count)
    country = rng.choice(len(COUNTRIES), count, p=_COUNTRY_SHARE)
    late = rng.random(count) < 0.15
    joined = np.where(late, rng.integers(12 * DAY, (days - 1) * DAY, count), -rng.integers(DAY, 1_500 * DAY, count))
    seniority = rng.choice(len(SENIORITIES), count, p=(0.1, 0.2, 0.25, 0.25, 0.14, 0.06))
    rises = (rng.random(count) < 0.15) & (seniority < len(SENIORITIES) - 1)
    seeks = rng.random(count) < 0.45
    seeking_from = rng.integers(-15 * DAY, days * DAY, count)
    duration = np.where(seeks, rng.integers(12 * DAY, 35 * DAY, count), 0)
    return Members(
        industry=industry,
        seniority=seniority,
        country=country,
        promoted=np.where(rises, np.maximum(joined, 0) + rng.integers(DAY, days * DAY, count), NEVER),
        joined=joined,
        interests=_drifting_interests(rng, industry, days, topics),
        activity=_drifting_activity(rng, count, days),
        seeking_from=seeking_from,
        seeking_until=seeking_from + duration,
        peak_hour=(rng.normal(13.5, 2.5, count) - _COUNTRY_OFFSET[country]) % 24,
        propensity=rng.standard_normal(count),
        email_taste=rng.standard_normal(count),
        feed_rate=rng.lognormal(0.25, 0.4, count),
        delivery_rate=rng.lognormal(0.0, 0.5, count),
    )


def industry_taste(topics: Floats) -> Floats:
    """Topic preferences of industries, each for two neighboring topics: (industries, topics)."""
    industries, count = len(INDUSTRIES), len(topics)
    taste = np.full((industries, count), 0.02)
    for step, weight in ((0, 0.45), (1, 0.25)):
        taste[np.arange(industries), (np.arange(industries) + step) % count] += weight
    return taste


def _drifting_interests(rng: np.random.Generator, industry: Ints, days: int, topics: Floats) -> Floats:
    """A constant part from industry and personal taste, plus a current interest that changes at times."""
    count, anchors = len(industry), days * DAY // INTEREST_STEP + 2
    lasting = rng.dirichlet(np.full(len(topics), 0.2), count)
    home = unit(0.7 * industry_taste(topics)[industry] @ topics + 0.4 * lasting @ topics)
    present = rng.dirichlet(np.full(len(topics), 0.15), (anchors, count))
    for anchor in range(1, anchors):
        stays = rng.random(count) >= _INTEREST_CHANGE
        present[anchor, stays] = present[anchor - 1, stays]
    return unit(home[:, None] + 0.5 * np.moveaxis(present @ topics, 0, 1))


def _drifting_activity(rng: np.random.Generator, count: int, days: int) -> Floats:
    anchors = days * DAY // _ACTIVITY_STEP + 2
    walk = np.empty((count, anchors))
    walk[:, 0] = rng.standard_normal(count)
    for anchor in range(1, anchors):
        fresh = rng.standard_normal(count)
        walk[:, anchor] = _ACTIVITY_KEPT * walk[:, anchor - 1] + np.sqrt(1 - _ACTIVITY_KEPT**2) * fresh
    return 0.85 * walk


def _between(anchors: Floats, member: Ints, time: Ints, step: int) -> Floats:
    """Linear interpolation between anchors; before the simulation begins, the first anchor."""
    place = np.maximum(time, 0) / step
    left = np.minimum(place.astype(np.int64), anchors.shape[1] - 2)
    part = (place - left)[:, None]
    return (1 - part) * anchors[member, left] + part * anchors[member, left + 1]
