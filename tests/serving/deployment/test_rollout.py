"""Rollout: which versions may serve, on any target."""

import json
from pathlib import Path

import pytest

from serving.deployment.errors import DeploymentError, VerdictError
from serving.deployment.rollout import Rollout, check_verdict
from tests.serving.stubbed import FakeRegistry


class FakeTarget:
    """A target that records its calls; ``share``: the canary's version."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.share: str | None = None

    def canary(self, version: str, percent: int) -> None:
        self.calls.append(("canary", version, percent))
        self.share = version

    def candidate(self) -> str:
        if self.share is None:
            raise DeploymentError("expected a canary")
        return self.share

    def promote(self, version: str) -> None:
        self.calls.append(("promote", version))

    def rollback(self) -> str:
        self.calls.append(("rollback",))
        return self.candidate()

    def traffic(self) -> dict[str, int]:
        return {}


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


@pytest.fixture
def rollout(target: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    monkeypatch.setattr(FakeRegistry, "champions", {"model": "1"}, raising=False)
    return Rollout(target, FakeRegistry("nowhere"), "model")  # type: ignore[arg-type]


def test_what_passed_goes_out_and_becomes_the_champion(rollout: Rollout, target: FakeTarget) -> None:
    assert rollout.canary("2", 10) == "2"
    assert FakeRegistry.champions == {"model": "1"}
    assert rollout.promote() == "2"
    assert FakeRegistry.champions == {"model": "2"}
    assert target.calls == [("canary", "2", 10), ("promote", "2")]


def test_a_promotion_that_was_cut_off_is_finished(
    rollout: Rollout, target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout.canary("2", 10)
    with monkeypatch.context() as broken:
        broken.setattr(FakeRegistry, "promote", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rollout.promote()
    target.share = None  # it has all traffic now
    assert rollout.promote("2") == "2"
    assert FakeRegistry.champions == {"model": "2"}


def test_the_registry_is_changed_only_after_the_target(
    rollout: Rollout, target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout.canary("2", 10)
    champions: list[object] = []

    def promote(version: str) -> None:
        champions.append(dict(FakeRegistry.champions))
        raise DeploymentError("the target sleeps")

    monkeypatch.setattr(target, "promote", promote)
    with pytest.raises(DeploymentError, match="sleeps"):
        rollout.promote()
    assert champions == [{"model": "1"}]
    assert FakeRegistry.champions == {"model": "1"}


def test_the_candidate_is_taken_where_no_version_is_named(rollout: Rollout, target: FakeTarget) -> None:
    assert rollout.canary(None, 50) == "candidate"


def test_without_a_candidate_one_has_to_be_named(
    rollout: Rollout, target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeRegistry, "candidate", lambda *_: None)
    with pytest.raises(VerdictError, match="name a --version"):
        rollout.canary(None, 50)
    assert target.calls == []


@pytest.mark.parametrize(("version", "found"), [("held", r"found 'hold': AUC fell by 0\.02\."), ("unjudged", "none")])
def test_what_the_gate_holds_gets_no_traffic(rollout: Rollout, target: FakeTarget, version: str, found: str) -> None:
    with pytest.raises(VerdictError, match=found):
        rollout.canary(version, 10)
    target.share = version  # started by somebody else
    with pytest.raises(VerdictError, match=found):
        rollout.promote()
    assert target.calls == []
    assert FakeRegistry.champions == {"model": "1"}


def test_a_verdict_against_another_champion_begins_no_canary(rollout: Rollout, target: FakeTarget) -> None:
    found = "expected a verdict against the champion, version 1; found one against version 9. Run the training pipeline"
    with pytest.raises(VerdictError, match=found):
        rollout.canary("against-9", 10)
    assert target.calls == []
    assert rollout.canary("against-1", 10) == "against-1"
    FakeRegistry.champions["model"] = "9"  # meanwhile
    assert rollout.promote() == "against-1"  # a canary in progress continues


def test_the_champion_itself_and_a_product_without_one_are_no_obstacle(rollout: Rollout, target: FakeTarget) -> None:
    FakeRegistry.champions["model"] = "against-9"
    assert rollout.canary("against-9", 10) == "against-9"
    FakeRegistry.champions.clear()
    assert rollout.canary("against-9", 10) == "against-9"


def test_back_is_always_possible(rollout: Rollout, target: FakeTarget) -> None:
    target.share = "held"
    assert rollout.rollback() == "held"


@pytest.mark.parametrize("gate", [None, {}, {"decision": 1}, "promote", ["promote"]])
def test_what_is_no_verdict_lets_nothing_out(tmp_path: Path, gate: object) -> None:
    for document in ({"gate": gate}, [gate]):
        (tmp_path / "metrics.json").write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(VerdictError, match="expected the gate's verdict in its bundle; found none"):
            check_verdict("1", tmp_path)
