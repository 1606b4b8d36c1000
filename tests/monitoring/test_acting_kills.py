"""Actions that are killed at every write, and what people do meanwhile: one action, and what a person did stands."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feature_repo.notes import Notes
from feature_repo.packed.sqlite import SqliteRows
from models.time_units import DAY, HOUR
from monitoring.acting import NOTHING, begin, overtaken
from monitoring.action import ROLL_BACK, finish, last_action
from monitoring.verdict import State, Verdict
from serving.deployment.errors import DeploymentError
from serving.deployment.once import roll_back_once
from serving.deployment.rollout import Rollout
from tests.monitoring.test_acting import NOW, SPEC
from tests.monitoring.verdicts import verdict
from tests.serving.deployment.test_rollout import FakeTarget
from tests.serving.stubbed import FakeRegistry

WRITES = [
    (Notes, "change"),
    (FakeTarget, "rollback"),
    (FakeTarget, "withdraw"),
    (FakeTarget, "canary"),
    (FakeRegistry, "promote"),
    (FakeRegistry, "start_canary"),
    (FakeRegistry, "end_canary"),
]
"""Everything by which an action changes something; a run is killed before and after each of them."""


class Killed(BaseException):
    """The end of a process."""


class World:
    """A product whose champion is 2, and what the pipeline act does to it."""

    def __init__(self, folder: Path, canary: str | None) -> None:
        self.notes = Notes(SqliteRows(folder / "online.db"), "small")
        FakeRegistry.reset(model="2")
        FakeRegistry.before["model"], self.target = "1", FakeTarget()
        self.target.main = "2"
        if canary:
            FakeRegistry.canaries["model"] = self.target.share = canary
        self.registry: Any = FakeRegistry("nowhere")
        self.rollout = Rollout(self.target, self.registry, "model")  # type: ignore[arg-type]
        self.registered: dict[str, str] = {}

    def roles(self) -> dict[str, str]:
        found = {role: getattr(self.registry, role)("model") for role in ("champion", "canary", "previous")}
        return {role: version for role, version in found.items() if version}

    def act(self, run: str, found: Verdict, time: int = NOW) -> str:
        """What the steps of a run do; return the kind of the action."""
        last = last_action(self.notes)
        made = self.registered.get(last.id) if last is not None and not last.done else None
        decision, action = begin(self.notes, SPEC, found, self.roles(), run, made, clock=lambda: time)
        if action is not None and action.kind == ROLL_BACK and overtaken(action, self.roles()) is None:
            roll_back_once(self.rollout, self.registry, "model", action.versions)
        elif action is not None:
            made = self.registered.setdefault(action.id, str(9 + len(self.registered)))
            self.rollout.canary(made, 10)
        finish(self.notes, run, clock=lambda: time)
        return decision.kind

    def serves(self) -> tuple[str | None, ...]:
        """Main version and canary, by the traffic and by the registry."""
        return (
            self.target.main,
            self.target.share,
            self.registry.champion("model"),
            self.registry.canary("model"),
        )


def killed_at_every_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, canary: str | None, found: Verdict, check: Callable[[World], None]
) -> int:
    """Run an action that is killed at its first write, at its second and so on, and ``check`` each time what follows.

    Returns how many writes there were, each counted before and after.
    """
    for place in range(1000):
        at = folder / str(place)
        at.mkdir()
        world, left = World(at, canary), place

        def point() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        def breaking(original: Callable[..., Any], point: Callable[[], None] = point) -> Callable[..., Any]:
            def write(*given: Any, **named: Any) -> Any:
                point()
                result = original(*given, **named)
                point()
                return result

            return write

        with monkeypatch.context() as broken:
            for owner, name in WRITES:
                broken.setattr(owner, name, breaking(getattr(owner, name)))
            try:
                world.act("run-1", found)
            except Killed:
                done = False
            else:
                done = True
        check(world)
        if done:
            return place
    raise AssertionError("it never ended")


VERDICTS = {
    "champion": (
        replace(verdict(State.ROLL_BACK, versions={"champion": "2"}), cause="serving.fallback"),
        None,
        ("1", None, "1", None),
    ),
    "canary": (verdict(State.ROLL_BACK, versions={"champion": "2", "canary": "3"}), "3", ("2", None, "2", None)),
    "retrain": (verdict(State.RETRAIN, versions={"champion": "2"}), None, ("2", "9", "2", "9")),
}
"""By what is done: the verdict, the canary before, and what serves afterwards."""


@pytest.mark.parametrize("kind", VERDICTS)
def test_killed_at_every_write_it_is_one_action(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    found, canary, after = VERDICTS[kind]

    def check(world: World) -> None:
        world.act("run-2", found, NOW + HOUR)
        assert world.serves() == after
        action = last_action(world.notes)
        assert action is not None
        assert (action.verdict, action.overtaken, bool(action.done)) == (found.day, "", True)
        assert world.act("run-3", found, NOW + 2 * HOUR) == NOTHING
        later = verdict(found.state, "2026-01-08", versions=world.roles())
        assert world.act("run-4", later, NOW + DAY) == NOTHING  # the cool-down
        assert world.serves() == after
        assert len(world.registered) == (kind == "retrain")

    writes = killed_at_every_write(tmp_path, monkeypatch, canary, found, check)
    assert writes >= 6


PEOPLE: dict[str, Callable[[World], Any]] = {
    "roll back": lambda world: world.rollout.rollback(),
    "promote another": lambda world: (world.rollout.canary("7", 10), world.rollout.promote("7")),
    "begin a canary": lambda world: world.rollout.canary("7", 10),
    "promote the canary": lambda world: world.rollout.promote("3"),
}


@pytest.mark.parametrize(
    ("kind", "person"),
    [(kind, person) for kind in VERDICTS for person in PEOPLE if person != "promote the canary" or kind == "canary"],
)
def test_what_a_person_did_after_the_kill_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, person: str
) -> None:
    found, canary, _ = VERDICTS[kind]

    def check(world: World) -> None:
        if kind == "retrain" and person == "roll back" and "canary" in world.roles():
            return  # killed in the moment between its first write of the deployment and its end, it is deployed again
        with contextlib.suppress(DeploymentError):  # there is nothing left to roll back
            PEOPLE[person](world)
        stands = world.serves()
        world.act("run-2", found, NOW + HOUR)
        assert world.serves() == stands
        action = last_action(world.notes)
        assert action is None or action.done, "nobody has to end it by hand"
        assert world.act("run-3", found, NOW + 2 * HOUR) == NOTHING

    killed_at_every_write(tmp_path, monkeypatch, canary, found, check)
