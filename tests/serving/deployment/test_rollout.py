"""Rollout: which versions may serve, on any target."""

import pytest

from serving.deployment.errors import DeploymentError, VerdictError
from serving.deployment.rollout import Rollout
from tests.serving.stubbed import FakeRegistry


class FakeTarget:
    """A target that records its calls; ``share``: the canary's version, ``main``: what has the rest."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.share: str | None = None
        self.main: str | None = "1"
        self.canaries: list[dict[str, str]] = []
        """The registry's canaries at each change."""
        self.broken = False

    def _record(self, *call: object) -> None:
        self.calls.append(call)
        self.canaries.append(dict(FakeRegistry.canaries))
        if self.broken:
            raise DeploymentError("the target sleeps")

    def up(self, version: str) -> str:
        self._record("up", version)
        self.main, self.share = version, None
        return "address"

    def canary(self, version: str, percent: int) -> None:
        self._record("canary", version, percent)
        self.share = version

    def candidate(self) -> str:
        if self.share is None:
            raise DeploymentError("expected a canary")
        return self.share

    def promote(self, version: str) -> None:
        self._record("promote", version)
        self.main, self.share = version, None

    def rollback(self, champion: str | None, previous: str | None) -> str:
        self._record("rollback", champion, previous)
        if self.share is not None:
            gone, self.share = self.share, None
            return gone
        if previous is None:
            raise DeploymentError("expected a canary or a previous version")
        gone, self.main = str(self.main), previous
        return gone

    def withdraw(self, version: str) -> None:
        self._record("withdraw", version)

    def version(self) -> str | None:
        return self.main

    def address(self) -> str:
        return "address"

    def traffic(self) -> dict[str, int]:
        return {version: 50 for version in (self.main, self.share) if version is not None}

    def down(self) -> bool:
        found, self.main = self.main is not None, None
        return found


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


@pytest.fixture
def rollout(target: FakeTarget) -> Rollout:
    FakeRegistry.reset(model="1")
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
    assert FakeRegistry.canaries == {}


def test_a_version_serves_before_it_is_the_champion(rollout: Rollout, target: FakeTarget) -> None:
    assert rollout.deploy("2") == "address"
    assert (target.calls, target.canaries) == ([("up", "2")], [{"model": "2"}])  # its vectors are kept meanwhile
    assert (FakeRegistry.champions, FakeRegistry.before, FakeRegistry.canaries) == ({"model": "2"}, {"model": "1"}, {})


def test_who_may_not_any_more_changes_no_champion(target: FakeTarget) -> None:
    """Another run took the lease while the target came up: what serves keeps an alias, so its vectors stay."""
    FakeRegistry.reset(model="1")

    def allowed() -> None:
        if target.main != "1":
            raise PermissionError("another run")

    rollout = Rollout(target, FakeRegistry("nowhere"), "model", allowed)  # type: ignore[arg-type]
    with pytest.raises(PermissionError):
        rollout.deploy("2")
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({"model": "1"}, {"model": "2"})
    calls = list(target.calls)
    for change in (lambda: rollout.deploy("3"), lambda: rollout.canary("3", 10), lambda: rollout.promote("2")):
        with pytest.raises(PermissionError):
            change()
    assert target.calls == calls
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({"model": "1"}, {"model": "2"})


@pytest.mark.parametrize("canary", [None, "5"])
def test_where_nothing_comes_up_every_alias_stays(rollout: Rollout, target: FakeTarget, canary: str | None) -> None:
    target.broken = True
    FakeRegistry.canaries = {} if canary is None else {"model": canary}
    for change in (lambda: rollout.deploy("2"), lambda: rollout.canary("2", 10), lambda: rollout.up("2")):
        with pytest.raises(DeploymentError, match="sleeps"):
            change()
    assert FakeRegistry.champions == {"model": "1"}
    assert FakeRegistry.canaries == ({} if canary is None else {"model": canary})


def test_after_a_promotion_the_champion_before_serves_again_once(rollout: Rollout, target: FakeTarget) -> None:
    rollout.canary("2", 10)
    assert FakeRegistry.canaries == {"model": "2"}
    rollout.promote()
    assert (FakeRegistry.champions, FakeRegistry.before, FakeRegistry.canaries) == ({"model": "2"}, {"model": "1"}, {})
    assert rollout.rollback() == "2"
    assert target.calls[-1] == ("rollback", "2", "1")
    assert (target.main, FakeRegistry.champions, FakeRegistry.before) == ("1", {"model": "1"}, {})
    with pytest.raises(DeploymentError, match="expected a canary or a previous version"):
        rollout.rollback()
    assert FakeRegistry.champions == {"model": "1"}


def test_a_way_back_that_fails_leaves_the_champion(rollout: Rollout, target: FakeTarget) -> None:
    rollout.deploy("2")
    target.broken = True
    with pytest.raises(DeploymentError, match="sleeps"):
        rollout.rollback()
    assert (FakeRegistry.champions, FakeRegistry.before) == ({"model": "2"}, {"model": "1"})


@pytest.mark.parametrize("previous", [None, "0"])
def test_from_a_version_that_nothing_promoted_the_way_back_is_the_champion(
    rollout: Rollout, target: FakeTarget, previous: str | None
) -> None:
    FakeRegistry.before = {} if previous is None else {"model": previous}
    rollout.up("2")  # or a promotion that was interrupted after the traffic
    assert rollout.rollback() == "2"
    assert target.calls[-1] == ("rollback", "1", "1")
    assert (target.main, FakeRegistry.champions, FakeRegistry.canaries) == ("1", {"model": "1"}, {})


def test_a_way_back_that_was_cut_off_is_finished(
    rollout: Rollout, target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout.deploy("2")
    with monkeypatch.context() as broken:
        broken.setattr(FakeRegistry, "promote", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rollout.rollback()
    assert (target.main, FakeRegistry.champions) == ("1", {"model": "2"})
    assert rollout.rollback() == "2"
    assert (target.main, FakeRegistry.champions, FakeRegistry.before) == ("1", {"model": "1"}, {})


def test_a_canary_that_was_cut_off_before_its_share_costs_the_champion_nothing(
    rollout: Rollout, target: FakeTarget
) -> None:
    rollout.deploy("2")
    FakeRegistry.canaries = {"model": "3"}
    assert rollout.rollback() == "3"
    assert target.calls[-1] == ("withdraw", "3")
    assert (target.main, FakeRegistry.champions, FakeRegistry.canaries) == ("2", {"model": "2"}, {})


def test_a_canary_begins_next_to_the_champion_which_is_started_where_nothing_is_served(
    rollout: Rollout, target: FakeTarget
) -> None:
    target.main = None
    assert rollout.begin("2", 10) == "address"
    assert target.calls == [("up", "1"), ("canary", "2", 10)]
    target.main = "7"
    with pytest.raises(DeploymentError, match="expected the champion, version 1, to be served; found version 7"):
        rollout.begin("2", 20)
    with pytest.raises(VerdictError, match="found 'hold'"):
        rollout.begin("held", 20)
    assert len(target.calls) == 2


def test_another_version_than_the_champion_has_an_alias_as_long_as_it_serves(rollout: Rollout) -> None:
    rollout.up("2")
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({"model": "1"}, {"model": "2"})
    rollout.up("1")
    assert FakeRegistry.canaries == {}


def test_down_ends_the_canary_and_no_champion(rollout: Rollout, target: FakeTarget) -> None:
    rollout.canary("2", 10)
    assert rollout.down()
    assert not rollout.down()
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({"model": "1"}, {})
