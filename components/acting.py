"""What the steps of the pipeline `act` share: the versions by role, the action of the run, what a version is tagged."""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from components.services import ACT, EMBEDDED, Services
from components.step import Step, say

if TYPE_CHECKING:
    from components.lease import Use
    from models.spec import Spec
    from monitoring.action import Action
    from serving.versions.registry import Registry

DEPLOY = "deploy"
"""What is left of a training whose version was registered before it was killed."""
MODES = ("off", "dry_run", "on")


class Decided(NamedTuple):
    """What a run of the pipeline does."""

    kind: str
    """nothing, frozen, recalibrate, retrain, roll_back or deploy."""
    reason: str
    """One sentence for a person."""
    version: str = ""
    """The version to deploy."""


def decide(step: Step, mode: str = "") -> Decided:
    """Decide on the newest verdict, and record the action as begun; without ``mode`` in that of the spec.

    A dry run records nothing, and says what would be done. Raises VerdictError, ActionError, NotesError, RegistryError,
    and ValueError for a mode that is none.
    """
    from models.clock import now
    from monitoring import acting
    from monitoring.action import RETRAIN, last_action
    from monitoring.verdicts import newest_verdict
    from serving.versions.registry import ACTION, Registry, model_name

    chosen = _chosen(step.spec, mode)
    registry, name = Registry(step.services.tracking_uri), model_name(step.spec)
    verdict, versions = newest_verdict(step.services.storage, step.spec.name), roles(registry, name)
    notes = step.open_notes()
    last, alone = last_action(notes), step.services.target == EMBEDDED
    made = registry.tagged(name, ACTION, last.id) if last is not None and not last.done else None
    if chosen != "on":
        free = replace(last, until=0) if last is not None and alone else last
        found = acting.decide(step.spec, verdict, free, versions, now(), made)
        if not found.acts:
            return Decided(found.kind, found.reason)
        why = "dry run: it would do this" if chosen == "dry_run" else "acting is off (monitoring.act)"
        return Decided(acting.NOTHING, f"{why}: {found.reason}")
    found, action = acting.begin(notes, step.spec, verdict, versions, step.services.run, made, alone)
    if action is None or action.kind != RETRAIN:
        return Decided(found.kind, found.reason)
    version = registry.tagged(name, ACTION, action.id)
    if version is None:
        return Decided(found.kind, found.reason)
    return _registered(registry, name, version, found.reason)


def lease_of(spec: "Spec", mode: str = "") -> "Use | None":
    """What `decide` does with the lease: kept for the action, not taken where nothing is changed."""
    return "keep" if _chosen(spec, mode) == "on" else None


def _chosen(spec: "Spec", mode: str) -> str:
    chosen = mode or spec.monitoring.act
    if chosen not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, or none for that of the spec; found {chosen!r}")
    return chosen


def _registered(registry: "Registry", name: str, version: str, reason: str) -> Decided:
    """What is left of a retraining that a killed run has registered as ``version``."""
    from monitoring.acting import NOTHING
    from serving.versions.registry import GATE

    if registry.tags(name, version).get(GATE) == "promote":
        return Decided(DEPLOY, f"{reason}; it registered version {version}, which is deployed", version)
    return Decided(NOTHING, f"{reason}; the gate held version {version}")


def roles(registry: "Registry", name: str) -> dict[str, str]:
    """The versions that serve or may have to, by role."""
    found = {
        "champion": registry.champion(name),
        "canary": registry.canary(name),
        "previous": registry.previous(name),
    }
    return {role: version for role, version in found.items() if version is not None}


def action_of(step: Step) -> "Action":
    """The action that the step's run has begun. Raises ActionError if it has begun none."""
    from monitoring.action import begun_action

    return begun_action(step.open_notes(), step.services.run)


def action_tags(step: Step) -> dict[str, str]:
    """Tags of a version that this run registers: the action that made it; none in other pipelines."""
    from serving.versions.registry import ACTION

    return {ACTION: action_of(step).id} if step.services.pipeline == ACT else {}


def end_action(services: Services, product: str, succeeded: bool = True) -> None:
    """Record that the action of a run has ended, or leave it to the next run; nothing in other pipelines, or if the run
    has begun none. If the store is silent after a failure, half an hour without a renewal leaves it.
    """
    from components.lease import notes_of_run
    from feature_repo.notes import NotesError
    from monitoring.action import finish, let_go

    if services.pipeline != ACT:
        return
    notes = notes_of_run(services, product)
    if succeeded:
        finish(notes, services.run)
        return
    try:
        let_go(notes, services.run)
    except NotesError as error:
        say(f"  the action could not be left to the next run, which waits for half an hour: {error}")
