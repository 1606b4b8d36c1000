import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from models.training.artifact import save_model
from serving.ranking.batching import Batching
from serving.ranking.scorer import Scorer, SlateInputs
from tests.serving.world import World


class Watched(Scorer):
    """A scorer that records the number of slates of each pass, and blocks while its gate is closed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.passes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def decode(self, arguments: Sequence[Tensor], slates: Sequence[SlateInputs]) -> list[np.ndarray]:
        assert self.gate.wait(20)
        self.passes.append(len(slates))
        return super().decode(arguments, slates)


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(world.model, tmp_path_factory.mktemp("batching") / "model")


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
    asked = slates(scorer, [3, 1, 7, 2, 5, 4])

    async def all_at_once() -> list[np.ndarray]:
        batching = Batching(scorer, most=4)
        found = await asyncio.gather(*map(batching.logits, asked))
        batching.close()
        return found

    found = asyncio.run(all_at_once())
    assert scorer.passes == [4, 2]
    for slate, logits in zip(asked, found, strict=True):
        assert logits.shape == (len(slate), 2)
        np.testing.assert_allclose(logits, scorer.logits(slate), atol=1e-6, rtol=0)


def test_a_slate_that_cannot_be_scored_fails_alone(folder: Path) -> None:
    scorer = Watched(folder)
    good, bad, other = slates(scorer, [2, 2, 3])
    bad = replace(bad, item_tokens=bad.item_tokens[:, :-1])

    async def ask() -> list[np.ndarray | BaseException]:
        batching = Batching(scorer)
        found = await asyncio.gather(*map(batching.logits, (good, bad, other)), return_exceptions=True)
        batching.close()
        return found

    first, failed, last = asyncio.run(ask())
    assert isinstance(failed, ValueError)
    assert isinstance(first, np.ndarray)
    assert isinstance(last, np.ndarray)
    np.testing.assert_allclose(first, scorer.logits(good), atol=1e-6)
    np.testing.assert_allclose(last, scorer.logits(other), atol=1e-6)


def test_a_request_that_is_given_up_disturbs_nobody_and_the_next_one_is_scored(folder: Path) -> None:
    scorer = Watched(folder)
    first, given_up, later = slates(scorer, [2, 3, 1])

    async def ask() -> tuple[np.ndarray, np.ndarray]:
        scorer.gate.clear()
        batching = Batching(scorer)
        kept = asyncio.ensure_future(batching.logits(first))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batching.logits(given_up), 0.05)
        scorer.gate.set()
        found = await kept, await batching.logits(later)
        batching.close()
        return found

    found = asyncio.run(ask())
    for slate, logits in zip((first, later), found, strict=True):
        np.testing.assert_allclose(logits, scorer.logits(slate), atol=1e-6)


def test_others_wait_until_no_slate_is_in_a_pass_or_for_a_while(folder: Path) -> None:
    scorer = Watched(folder)
    (slate,) = slates(scorer, [2])

    async def ask() -> list[bool]:
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

    assert asyncio.run(ask()) == [True, False, True]
