"""A rollback that was killed and is repeated is one rollback."""

import contextlib
from typing import Any

import pytest

from serving.deployment.errors import DeploymentError
from serving.deployment.once import roll_back_once
from serving.deployment.rollout import Rollout
from tests.serving.deployment.test_rollout import FakeTarget
from tests.serving.stubbed import FakeRegistry

STEPS = [(FakeTarget, "rollback"), (FakeRegistry, "promote"), (FakeRegistry, "end_canary")]


@pytest.fixture
def target() -> FakeTarget:
    FakeRegistry.reset(model="2")
    FakeRegistry.before["model"] = "1"
    found = FakeTarget()
    found.main = "2"
    return found


def once(target: FakeTarget, before: dict[str, str]) -> str:
    registry: Any = FakeRegistry("nowhere")
    return roll_back_once(Rollout(target, registry, "model"), registry, "model", before)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("place", "step"), STEPS, ids=[step for _, step in STEPS])
@pytest.mark.parametrize("canary", [None, "3"])
def test_killed_at_any_step_it_ends_as_one_rollback(
    target: FakeTarget, place: type, step: str, after: bool, canary: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"champion": "2", "previous": "1"}
    if canary is not None:
        before["canary"] = canary
        FakeRegistry.canaries["model"], target.share = canary, canary
    original = getattr(place, step)

    def killed(*given: Any) -> Any:
        if after:
            original(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(place, step, killed)
        with contextlib.suppress(KeyboardInterrupt):
            once(target, before)
    for _ in range(2):
        assert once(target, before) == (canary or "2")
        serves = "2" if canary else "1"
        assert (target.main, target.share) == (serves, None)
        assert (FakeRegistry.champions, FakeRegistry.canaries) == ({"model": serves}, {})


def test_other_versions_than_those_of_the_decision_are_left(target: FakeTarget) -> None:
    FakeRegistry.reset(model="4")
    with pytest.raises(DeploymentError, match="found champion 4 and canary None"):
        once(target, {"champion": "2", "previous": "1"})
    FakeRegistry.reset(model="2")
    FakeRegistry.canaries["model"] = "5"
    with pytest.raises(DeploymentError, match="found champion 2 and canary 5"):
        once(target, {"champion": "2", "previous": "1"})
    assert once(target, {"champion": "2", "canary": "3"}) == "3"
    with pytest.raises(DeploymentError, match="found champion 2 and canary 5"):  # it was promoted
        once(target, {"champion": "1", "canary": "2"})
    assert target.calls == []


def test_a_canary_that_a_person_began_after_the_rollback_stays(target: FakeTarget) -> None:
    FakeRegistry.reset(model="1")
    FakeRegistry.canaries["model"] = "5"
    assert once(target, {"champion": "2", "previous": "1"}) == "2"
    assert FakeRegistry.canaries == {"model": "5"}
    assert target.calls == []
