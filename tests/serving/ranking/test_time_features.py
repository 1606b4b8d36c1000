"""Time features and the context of candidates online: the bits of the training set's."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from feature_repo.materialise import materialize
from feature_repo.retrieve import features_of
from feature_repo.store import project_of, write_resolved
from models.features import SLOTS, time_features
from models.time_units import DAY, microseconds
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest
from serving.ranking.service import RankingService
from serving.versions.prior import Prior
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World
from tests.feature_repo.timed import CANDIDATE, TIMED, open_timed, timed_spec

SPEC = timed_spec()
START = microseconds(tiny.START)
POSTS = ("p2", "unknown", "p1", "p3")
GIVEN: dict[str, tuple[Any, ...]] = {"price": (0.1, None, 2.0, 3.5), "campaign": (None, "a", "b", "a")}


def inputs(world: World, request: RankingRequest, online: OnlineFeatures | None = None) -> dict[str, Any]:
    """What the model would be given for a request."""

    async def once() -> OnlineFeatures:
        config = write_resolved(tiny.CONFIG, world.state, project_of(world.spec.name))
        async with OnlineReader(config, world.spec, SLOTS[0]) as reader:
            return await reader.read(request)

    service = RankingService(world.spec, cast(Any, None), cast(Any, None), "1", cast(Prior, None))
    return dict(service.features(request, asyncio.run(once()) if online is None else online))


def as_rows(request: RankingRequest) -> pa.Table:
    """The request as rows of the impressions' table."""
    count = len(request.items)
    shown: dict[str, Any] = {
        "impression_id": range(count),
        "member": [request.member] * count,
        "post_id": request.items,
        "surface": [request.surface] * count,
        "time": pa.array([request.time] * count, pa.timestamp("us", "UTC")),
        **request.candidates,
    }
    return pa.table(shown)


@pytest.mark.parametrize("seed", range(3))
def test_online_features_have_the_bits_of_offline_ones(tmp_path: Path, seed: int) -> None:
    world, random = open_timed(tmp_path, SPEC, seed), np.random.default_rng(seed)
    known = 0
    for moment in sorted(random.integers(1, 12 * DAY, 4).tolist()):
        materialize(world.store, SPEC, START + moment)
        for member in (*tiny.MEMBERS[:2], 99):
            for posts in (POSTS, POSTS[:1]):
                request = RankingRequest(member, posts, "feed", START + moment)
                online, offline = inputs(world, request), features_of(world.store, SPEC, as_rows(request))
                for feature in time_features(SPEC):
                    values = np.broadcast_to(online[feature.name], len(posts))
                    expected = offline[feature.name].to_numpy()
                    np.testing.assert_array_equal(values, expected, feature.name)
                    known += np.isfinite(values).sum() if feature.kind == "number" else 0
    assert known > 20


def test_what_candidates_carry_is_given_by_candidate() -> None:
    request = RankingRequest(1, POSTS, "feed", START, {"place": 4.0}, GIVEN)
    found = inputs(cast(World, World(None, SPEC, Path(), Path())), request, OnlineFeatures.nothing(4))
    assert found["place"] == 4.0
    np.testing.assert_array_equal(found["price"], np.array([0.1, np.nan, 2.0, 3.5], np.float32))
    assert found["price"].dtype == np.float32
    assert found["campaign"].tolist() == [None, "a", "b", "a"]
    assert set(found) == {"place", *CANDIDATE, *TIMED}


def test_what_was_pushed_while_the_request_was_on_its_way_has_age_zero() -> None:
    """Up to the read it has just happened; what lies after the read lies in the future, and has no age."""
    published = START + np.array([-DAY, 0, 1_000_000, 1_000_001])
    online = replace(OnlineFeatures.nothing(4), as_of=START + 1_000_000, times={"published": published})
    request = RankingRequest(1, POSTS, "feed", START)
    found = inputs(World(None, SPEC, Path(), Path()), request, online)["post_age"]
    assert found[0] > 0
    assert found[1] == found[2] == 0
    assert np.isnan(found[3])


def test_a_slate_without_a_read_has_a_clock_and_no_age() -> None:
    found = inputs(
        World(None, SPEC, Path(), Path()), RankingRequest(1, POSTS, "feed", START), OnlineFeatures.nothing(4)
    )
    assert np.isnan(found["post_age"]).all()
    assert found["hour"].tolist() == ["19"]  # midnight UTC in New York
