"""What the step `recalibrate` does: one registered version per action, on the champion's vectors."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from components.acting import action_of, action_tags
from components.step import Step

if TYPE_CHECKING:
    from monitoring.action import Action
    from serving.versions.registry import Registry


class Registered(NamedTuple):
    """The version that an action has registered."""

    version: str
    decision: str
    """The gate's: promote or hold."""
    verdict: dict[str, Any]
    """Of the gate."""


def recalibrated(step: Step, tables: Path) -> Registered:
    """Register the champion with a new calibration, unless an earlier attempt of this action has; let it share vectors.

    Raises ActionError, RegistryError, EvaluationError for a champion of other tasks than the spec's, PushError where
    the champion's vectors are gone, LeaseError.
    """
    from feature_repo.slots import share
    from monitoring.documents import read_json
    from serving.versions.registry import ACTION, GATE, Registry, model_name

    registry, name, action = Registry(step.services.tracking_uri), model_name(step.spec), action_of(step)
    champion = action.versions["champion"]
    with tempfile.TemporaryDirectory() as scratch:
        found = registry.tagged(name, ACTION, action.id) or _register(
            step, registry, name, action, tables, Path(scratch)
        )
        bundle = registry.download(name, found, Path(scratch) / "registered")
        verdict = read_json(bundle / "metrics.json")["gate"]
    decision = registry.tags(name, found)[GATE]
    if decision == "promote":
        share(step.open_notes(), found, champion, step.lease)
    return Registered(found, decision, verdict)


def _register(step: Step, registry: "Registry", name: str, action: "Action", tables: Path, scratch: Path) -> str:
    """Fit, judge and register a calibration; return the version."""
    from datetime import date

    from components.joined import join_of
    from models.clock import now
    from monitoring.profiles import read_profile
    from monitoring.recalibration import read_settled, recalibrate, recalibrated_profile
    from serving.versions.bundle import read_bundle
    from serving.versions.recalibrated import calibration_of, recalibrated_bundle
    from serving.versions.registry import BEST, GATE, WINDOWS

    champion, since = action.versions["champion"], step.spec.midnight(date.fromisoformat(action.since))
    before = registry.download(name, champion, scratch / "champion")
    join_of(step.spec, step.services, tables)(since, now(), scratch / "joined")
    rows = read_settled(step.spec, scratch / "joined", champion, since)
    found = recalibrate(step.spec, rows, calibration_of(read_bundle(before)), champion, registry.best(name))
    facts = {"version": champion, "since": action.since, "rows": found.rows}
    known = read_profile(before)
    profile = None if known is None else recalibrated_profile(known, found).to_json()
    bundle = recalibrated_bundle(before, found.calibration, found.verdict.to_json(), facts, scratch / "bundle", profile)
    tags = {"run": step.services.run, GATE: found.verdict.decision, **action_tags(step)}
    tags |= {key: value for key, value in registry.tags(name, champion).items() if key == WINDOWS}
    tags |= {BEST: found.verdict.best} if found.verdict.best else {}
    return registry.log_version(name, bundle, tags)
