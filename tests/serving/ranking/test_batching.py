import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from torch import Tensor

from models.training.artifact import save_model
from serving.ranking.batching import Batching
from serving.ranking.scorer import Scorer, SlateInputs
from tests.serving.world import shared_model


class Watched(Scorer):
    """A scorer that records the number of slates of each pass, and blocks while its gate is closed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.requested = 0
        self.passes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def decode(self, arguments: Sequence[Tensor], slates: Sequence[SlateInputs]) -> list[np.ndarray]:
        self.requested += 1
        assert self.gate.wait(20)
        self.passes.append(len(slates))
        return super().decode(arguments, slates)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(shared_model(), tmp_path_factory.mktemp("batching") / "model")


def slates(scorer: Scorer, sizes: Sequence[int]) -> list[SlateInputs]:
    """Slates of these sizes with random vectors; every other member and some items are cold."""
    random = np.random.default_rng(0)
    made = []
    for number, size in enumerate(sizes):
        slate = SlateInputs(
            member_tokens=random.standard_normal(scorer.member_token_size, np.float32),
            activity_tokens=random.standard_normal(scorer.activity_size, np.float32),
            activity_times=np.arange(scorer.activities) * 1_000_000 * (number + 1),
            as_of=1_700_000_000_000_000,
            item_tokens=random.standard_normal((size, scorer.item_token_size), np.float32),
            item_known=random.random(size) < 0.7,
            features={"member_counts_exposures": np.array([number], np.float32), "device": "phone"},
            surface="push",
            time=1_700_000_000_000_000 + number,
        )
        cold = replace(slate, member_tokens=None, activity_tokens=None, activity_times=None, as_of=None)
        made.append(cold if number % 2 else slate)
    return made


def test_slates_that_come_side_by_side_are_scored_in_one_pass_as_alone(folder: Path) -> None:
    scorer = Watched(folder)
    given = slates(scorer, [3, 1, 7, 2, 5, 4])

    async def all_at_once() -> list[np.ndarray]:
        batching = Batching(scorer, most=4)
        found = await asyncio.gather(*map(batching.logits, given))
        batching.close()
        return found

    found = asyncio.run(all_at_once())
    assert scorer.passes == [4, 2]
    for slate, logits in zip(given, found, strict=True):
        assert logits.shape == (len(slate), 2)
        np.testing.assert_allclose(logits, scorer.logits(slate), atol=1e-6, rtol=0)


def test_a_slate_that_cannot_be_scored_fails_alone(folder: Path) -> None:
    scorer = Watched(folder)
    good, bad, other = slates(scorer, [2, 2, 3])
    bad = replace(bad, item_tokens=bad.item_tokens[:, :-1])

    async def score() -> list[np.ndarray | BaseException]:
        batching = Batching(scorer)
        found = await asyncio.gather(*map(batching.logits, (good, bad, other)), return_exceptions=True)
        batching.close()
        return found

    first, failed, last = asyncio.run(score())
    assert isinstance(failed, ValueError)
    assert isinstance(first, np.ndarray)
    assert isinstance(last, np.ndarray)
    np.testing.assert_allclose(first, scorer.logits(good), atol=1e-6)
    np.testing.assert_allclose(last, scorer.logits(other), atol=1e-6)


def test_a_request_that_is_given_up_disturbs_no_other_and_the_next_one_is_scored(folder: Path) -> None:
    scorer = Watched(folder)
    first, given_up, later = slates(scorer, [2, 3, 1])

    async def score() -> tuple[np.ndarray, np.ndarray]:
        scorer.gate.clear()
        batching = Batching(scorer)
        kept = asyncio.ensure_future(batching.logits(first))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batching.logits(given_up), 0.05)
        scorer.gate.set()
        found = await kept, await batching.logits(later)
        batching.close()
        return found

    found = asyncio.run(score())
    for slate, logits in zip((first, later), found, strict=True):
        np.testing.assert_allclose(logits, scorer.logits(slate), atol=1e-6)


def test_others_wait_until_no_slate_is_in_a_pass_or_for_a_while(folder: Path) -> None:
    scorer = Watched(folder)
    (slate,) = slates(scorer, [2])

    async def score() -> list[bool]:
        batching = Batching(scorer)
        quiet = [batching._quiet.is_set()]
        scorer.gate.clear()
        scored = asyncio.ensure_future(batching.logits(slate))
        await asyncio.sleep(0)
        quiet.append(batching._quiet.is_set())
        await asyncio.wait_for(asyncio.to_thread(batching.await_quiet), 20)  # although the pass is still running
        scorer.gate.set()
        await scored
        await asyncio.sleep(0)
        quiet.append(batching._quiet.is_set())
        batching.close()
        return quiet

    assert asyncio.run(score()) == [True, False, True]


async def until(found: Callable[[], bool]) -> None:
    """Give the event loop to others until something is found."""
    async with asyncio.timeout(20):
        while not found():
            await asyncio.sleep(0)


def test_a_batch_holds_three_slates_unless_another_number_is_given(folder: Path) -> None:
    scorer = Watched(folder)

    async def score() -> None:
        batching = Batching(scorer)
        await asyncio.gather(*map(batching.logits, slates(scorer, [1] * 7)))
        batching.close()

    asyncio.run(score())
    assert scorer.passes == [3, 3, 1]


def test_a_slate_given_up_during_its_pass_leaves_the_others_of_its_batch_their_results(folder: Path) -> None:
    scorer = Watched(folder)
    first, second = slates(scorer, [2, 3])

    async def score() -> np.ndarray:
        scorer.gate.clear()
        batching = Batching(scorer)
        given_up, kept = (asyncio.ensure_future(batching.logits(slate)) for slate in (first, second))
        await until(lambda: scorer.requested > 0)
        given_up.cancel()
        await asyncio.sleep(0)
        scorer.gate.set()
        found = await asyncio.wait_for(kept, 20)
        batching.close()
        return found

    np.testing.assert_allclose(asyncio.run(score()), scorer.logits(second), atol=1e-6)
    assert scorer.passes[0] == 2


def test_where_the_passes_are_stopped_no_request_waits_on(folder: Path) -> None:
    scorer = Watched(folder)
    first, second, later = slates(scorer, [2, 3, 1])

    async def score() -> np.ndarray:
        scorer.gate.clear()
        batching = Batching(scorer, most=1)
        pending = [asyncio.ensure_future(batching.logits(slate)) for slate in (first, second)]
        await until(lambda: scorer.requested > 0)
        assert batching._passes is not None
        batching._passes.cancel()
        await asyncio.wait(pending, timeout=5)
        assert [one.cancelled() for one in pending] == [True, True]
        assert batching._quiet.is_set()
        scorer.gate.set()
        found = await asyncio.wait_for(batching.logits(later), 20)
        batching.close()
        return found

    np.testing.assert_allclose(asyncio.run(score()), scorer.logits(later), atol=1e-6)


def test_closing_ends_the_thread_after_its_batch_and_drops_the_next(folder: Path) -> None:
    scorer = Watched(folder)
    first, second = slates(scorer, [2, 3])

    async def score() -> None:
        scorer.gate.clear()
        batching = Batching(scorer)
        pending = asyncio.ensure_future(batching.logits(first))
        await until(lambda: scorer.requested > 0)
        assert batching._passes is not None
        batching._passes.cancel()  # the thread is still in the first pass
        await asyncio.wait([pending], timeout=5)
        dropped = asyncio.ensure_future(batching.logits(second))
        await until(lambda: batching._thread._work_queue.qsize() > 0)
        closing = asyncio.ensure_future(asyncio.to_thread(batching.close))
        done, _ = await asyncio.wait([dropped], timeout=5)
        scorer.gate.set()
        await closing
        assert dropped in done
        assert dropped.cancelled()
        assert not any(thread.is_alive() for thread in batching._thread._threads)
        with pytest.raises(RuntimeError, match="after shutdown"):
            await batching.logits(first)

    asyncio.run(score())
    assert scorer.passes == [1]


def test_others_wait_for_50_ms_at_most(folder: Path) -> None:
    batching = Batching(Watched(folder))
    with patch.object(batching._quiet, "wait") as wait:
        batching.await_quiet()
    wait.assert_called_once_with(0.05)
    batching.close()
