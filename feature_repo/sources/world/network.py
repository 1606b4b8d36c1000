"""Connections between members and follows of creators; both prefer similar interests."""

from dataclasses import dataclass

import numpy as np

from feature_repo.sources.world.content import Content
from feature_repo.sources.world.draw import DAY, Floats, Ints, choose
from feature_repo.sources.world.members import Members

_CANDIDATES = 8
_TASTE = 5.0  # weight of similarity


@dataclass(frozen=True)
class Network:
    """Rows of (member, member, since) in both directions, and of (member, creator, since): (n,) arrays."""

    member: Ints
    connection: Ints
    connected: Ints
    follower: Ints
    creator: Ints
    followed: Ints


def make_network(rng: np.random.Generator, members: Members, content: Content, days: int) -> Network:
    """Draw both networks. Most ties are older than the simulation; the rest form during it."""
    count = len(members.joined)
    taste = members.interests[:, 0]

    one = np.repeat(np.arange(count), rng.poisson(9, count) + 1)
    candidates = rng.integers(0, count, (len(one), _CANDIDATES))
    similar = np.einsum("nd,nkd->nk", taste[one], taste[candidates])
    similar += 0.2 * (members.country[one][:, None] == members.country[candidates])
    other = candidates[np.arange(len(one)), choose(rng, _TASTE * similar)]
    low, high = np.unique(np.stack([np.minimum(one, other), np.maximum(one, other)])[:, one != other], axis=1)
    since = _since(rng, np.maximum(members.joined[low], members.joined[high]), days)
    low, high, since = low[since < days * DAY], high[since < days * DAY], since[since < days * DAY]

    follower = np.repeat(np.arange(count), rng.poisson(9, count) + 1)
    reach = np.cumsum(content.creator_reach)
    drawn = np.searchsorted(reach, rng.random((len(follower), _CANDIDATES)) * reach[-1], side="right")
    drawn = np.minimum(drawn, len(reach) - 1)
    similar = np.einsum("nd,nkd->nk", taste[follower], content.creator_direction[drawn])
    creator = drawn[np.arange(len(follower)), choose(rng, _TASTE * similar)]
    follower, creator = np.unique(np.stack([follower, creator]), axis=1)
    followed = _since(rng, members.joined[follower], days)
    inside = followed < days * DAY
    return Network(
        member=np.concatenate([low, high]),
        connection=np.concatenate([high, low]),
        connected=np.concatenate([since, since]),
        follower=follower[inside],
        creator=creator[inside],
        followed=followed[inside],
    )


def _since(rng: np.random.Generator, earliest: Ints, days: int) -> Ints:
    """When ties formed: soon after joining for newcomers, before the simulation for three of four others."""
    newcomer = earliest >= 0
    old = (earliest * rng.random(len(earliest))).astype(np.int64) - 1
    running = (rng.random(len(earliest)) * days * DAY).astype(np.int64)
    soon = earliest + rng.exponential(3 * DAY, len(earliest)).astype(np.int64) + 60
    return np.where(newcomer, soon, np.where(rng.random(len(earliest)) < 0.75, old, running))


def similarity(one: Floats, other: Floats) -> Floats:
    """Row-wise dot product.  (n, d), (n, d) -> (n,)"""
    return np.einsum("nd,nd->n", one, other)
