"""One verdict from the alarms of all layers and the verdicts of the days before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from models.features import drifting_features, item_features, member_features
from models.spec import Spec
from monitoring.accepted import Accepted
from monitoring.days import DaySummary
from monitoring.days.hours import odd_hours
from monitoring.monitors.calibration import calibration
from monitoring.monitors.canary import canary
from monitoring.monitors.consequences import lowered, outlived
from monitoring.monitors.context import FEWEST_DAYS, Context
from monitoring.monitors.features import features
from monitoring.monitors.labels import labels
from monitoring.monitors.log import log
from monitoring.monitors.predictions import predictions
from monitoring.monitors.ranking import ranking
from monitoring.monitors.roles import roles_on
from monitoring.monitors.serving import serving
from monitoring.monitors.traffic import traffic
from monitoring.verdict import ACTIONS, LAYERS, Alarm, State, Verdict

MONITORS = {
    "log": log,
    "serving": serving,
    "traffic": traffic,
    "features": features,
    "predictions": predictions,
    "labels": labels,
    "calibration": calibration,
    "ranking": ranking,
    "canary": canary,
}
"""The monitor of each layer: context -> alarms."""
_CALM = (State.HEALTHY, State.WATCH)
_WORST = (State.DATA_FAULT, State.ROLL_BACK, State.RETRAIN, State.RECALIBRATE, State.WATCH, State.HEALTHY)
"""Worst first."""
_ENDED = ("log.empty", "log.few_rows")
"""Causes after which there are no rows to judge."""


def judge(
    spec: Spec,
    newest: DaySummary,
    earlier: Sequence[DaySummary],
    verdicts: Sequence[Verdict] = (),
    roles: Mapping[str, str] | None = None,
    accepted: Sequence[Accepted] = (),
) -> Verdict:
    """Judge the newest day.

    ``earlier``: summaries of days before it, ``verdicts``: theirs, both in any order, and that of the day itself where
    it was judged before; days without a verdict count as quiet only if no earlier day has one. ``roles``: version by
    role that serves now, which may be after the day (``roles_on``). ``accepted``: data faults that are wanted: days
    since then count as if they had not been found, and are the only reference for what they concern; a version that
    served before them is trained again, not rolled back, where its predictions or its ranking moved. The first layer
    (order of ``LAYERS``) with an alarm that asks for an action names the cause, else the first one with a warning; its
    alarms come first in the evidence, worst first, then all others. A healthy or watched product without enough quiet
    days says so.
    """
    known = [standing(verdict, accepted, verdicts) for verdict in verdicts]
    context = context_of(spec, newest, earlier, known, dict(roles or {}), accepted)
    return verdict_of(context, alarms_of(context), known)


def context_of(
    spec: Spec,
    newest: DaySummary,
    earlier: Sequence[DaySummary],
    verdicts: Sequence[Verdict],
    roles: Mapping[str, str],
    accepted: Sequence[Accepted] = (),
) -> Context:
    """What the monitors are given (arguments as for ``judge``; of the verdicts, accepted alarms are gone)."""
    by_day = {verdict.day: verdict for verdict in verdicts if verdict.day < newest.day}
    before = sorted((day for day in earlier if day.day < newest.day), key=lambda day: day.day)
    settings = spec.monitoring
    first = (date.fromisoformat(newest.day) - timedelta(days=settings.history_days)).isoformat()
    whole = Context(
        newest=newest,
        earlier=(),
        quiet=(),
        primary=spec.primary_task,
        surfaces=tuple(spec.impressions.surfaces),
        features=tuple(one.name for one in (*member_features(spec), *item_features(spec), *drifting_features(spec))),
        roles=roles_on(newest, verdicts, roles),
        settings=settings,
        explores=spec.serving.explore is not None,
        accepted=tuple(one for one in _oldest_first(accepted) if first <= one.since <= newest.day),
        odd_hours=odd_hours(spec, newest.day),
    )
    champion = whole.champion()
    usable, quiet, miscalibrated, off = [], [], [], list[str]()
    for day in before:
        verdict = by_day.get(day.day)
        state = verdict.state if verdict else State.HEALTHY if not by_day else State.DATA_FAULT
        if state == State.DATA_FAULT:
            continue
        usable.append(day)
        # A day that asked for a training is what the version trained since then has learned.
        trained = state == State.RETRAIN and champion not in day.traffic["versions"]
        if day.day < first or day.rows < settings.fewest_rows:
            continue
        if state in _CALM or trained:
            quiet.append(day)
        elif state == State.RECALIBRATE:
            miscalibrated.append(day)
    if len(quiet) < FEWEST_DAYS:
        quiet = sorted([*quiet, *miscalibrated], key=lambda day: day.day)
        off += [day.day for day in miscalibrated]
    return replace(whole, earlier=tuple(usable), quiet=tuple(quiet), miscalibrated=tuple(off))


def _oldest_first(accepted: Sequence[Accepted]) -> list[Accepted]:
    return sorted(accepted, key=lambda one: one.since)


def alarms_of(context: Context) -> list[Alarm]:
    """The alarms of all layers, in the order of the layers, worst first within a layer."""
    found: list[Alarm] = []
    for layer in LAYERS:
        found += sorted(_alarms(context, layer), key=lambda one: _WORST.index(one.state))
        if any(one.cause in _ENDED for one in found):
            break
    return found


def _alarms(context: Context, layer: str) -> list[Alarm]:
    """A layer's alarms; those that an accepted change concerns come from a comparison with the days since it."""
    alarms = MONITORS[layer](context)
    for one in context.accepted:
        if one.cause.startswith(f"{layer}."):
            later = MONITORS[layer](context.since(one.since))
            alarms = [alarm for alarm in alarms if not one.concerns(alarm.cause, alarm.subject)]
            alarms += [alarm for alarm in later if one.concerns(alarm.cause, alarm.subject)]
    return alarms


def verdict_of(context: Context, alarms: Sequence[Alarm], verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that alarms lead to, with ``since`` from the verdicts of earlier days."""
    day = context.newest.day
    alarms = lowered(alarms, day, outlived(context.champion(), context.accepted, verdicts), verdicts)
    found = concluded(day, [*alarms, *_few_days(context)], _versions(context), context.accepted)
    return replace(found, since=_since(found.cause, day, verdicts)) if found.cause else found


def concluded(
    day: str, alarms: Sequence[Alarm], versions: Mapping[str, str], accepted: Sequence[Accepted] = ()
) -> Verdict:
    """The verdict of a day on which its cause was found first. ``alarms``: in the order of the layers."""
    acting = [one for one in alarms if one.state not in _CALM] or alarms
    if not acting:
        return Verdict(State.HEALTHY, "", day, day, (), ACTIONS[State.HEALTHY], versions, tuple(accepted))
    layer = acting[0].layer
    own = sorted((one for one in acting if one.layer == layer), key=lambda one: _WORST.index(one.state))
    state, cause = own[0].state, own[0].cause
    evidence = (*own, *(one for one in alarms if one not in own))
    return Verdict(state, cause, day, day, evidence, ACTIONS[state], versions, tuple(accepted))


def standing(verdict: Verdict, accepted: Sequence[Accepted], verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict without the alarms that were accepted since, and with a training for those that follow from them.

    ``verdicts``: of days before the accepted faults, which tell whether the version served then. Itself if nothing of
    it was accepted.
    """

    def covered(alarm: Alarm) -> bool:
        return any(one.covers(alarm.cause, alarm.subject, verdict.day) for one in accepted)

    # Days after that of the acceptance were judged with it.
    within = [one for one in accepted if one.since <= verdict.day <= one.day]
    changes = outlived(verdict.versions.get("champion", ""), within, verdicts)
    left = lowered((one for one in verdict.evidence if not covered(one)), verdict.day, changes, verdicts)
    if left == list(verdict.evidence):
        return verdict
    ordered = sorted(left, key=lambda alarm: LAYERS.index(alarm.layer))
    found = concluded(verdict.day, ordered, verdict.versions, verdict.accepted)
    return replace(found, since=verdict.since) if found.cause == verdict.cause else found


def _few_days(context: Context) -> list[Alarm]:
    if context.learned:
        return []
    text = f"Not enough days: limits are learned from {FEWEST_DAYS} quiet days; found {len(context.quiet)}"
    return [Alarm("log", "log.few_days", "", text, State.WATCH, {"days": float(len(context.quiet))})]


def _since(cause: str, day: str, verdicts: Sequence[Verdict]) -> str:
    for verdict in sorted((one for one in verdicts if one.day < day), key=lambda one: one.day, reverse=True):
        if verdict.cause != cause:
            break
        day = verdict.since
    return day


def _versions(context: Context) -> dict[str, str]:
    """Versions by role on the day."""
    champion = context.champion()
    return {**({"champion": champion} if champion else {}), **context.roles}
