"""One verdict from the alarms of all layers and the verdicts of the days before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from models.features import impression_features, item_features, member_features
from models.spec import Spec
from monitoring.days import DaySummary
from monitoring.monitors.calibration import calibration
from monitoring.monitors.canary import canary
from monitoring.monitors.context import FEWEST_DAYS, Context, Settings
from monitoring.monitors.features import features
from monitoring.monitors.labels import labels
from monitoring.monitors.log import log
from monitoring.monitors.predictions import predictions
from monitoring.monitors.ranking import ranking
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
    settings: Settings | None = None,
    roles: Mapping[str, str] | None = None,
) -> Verdict:
    """Judge the newest day.

    ``earlier``: summaries of days before it, ``verdicts``: theirs, both in any order, and that of the day itself where
    it was judged before; days without a verdict count as quiet only if no earlier day has one. ``roles``: version by
    role that serves now, which may be after the day (``_roles``). The first layer (order of ``LAYERS``) with an
    alarm that asks for an action names the cause, else the first one with a warning; its alarms come first in the
    evidence, worst first, then all others. A healthy or watched product without enough quiet days says so.
    """
    context = context_of(spec, newest, earlier, verdicts, settings or Settings(), dict(roles or {}))
    return verdict_of(context, alarms_of(context), verdicts)


def context_of(
    spec: Spec,
    newest: DaySummary,
    earlier: Sequence[DaySummary],
    verdicts: Sequence[Verdict],
    settings: Settings,
    roles: Mapping[str, str],
) -> Context:
    """What the monitors are given (arguments as for ``judge``)."""
    by_day = {verdict.day: verdict for verdict in verdicts if verdict.day < newest.day}
    before = sorted((day for day in earlier if day.day < newest.day), key=lambda day: day.day)
    whole = Context(
        newest=newest,
        earlier=(),
        quiet=(),
        primary=spec.primary_task,
        surfaces=tuple(spec.impressions.surfaces),
        features=tuple(one.name for one in (*member_features(spec), *item_features(spec), *impression_features(spec))),
        roles=_roles(newest, verdicts, roles),
        settings=settings,
        explores=spec.serving.explore is not None,
    )
    champion = whole.champion()
    first = (date.fromisoformat(newest.day) - timedelta(days=settings.history_days)).isoformat()
    usable, quiet = [], []
    for day in before:
        verdict = by_day.get(day.day)
        state = verdict.state if verdict else State.HEALTHY if not by_day else State.DATA_FAULT
        if state == State.DATA_FAULT:
            continue
        usable.append(day)
        # A day that asked for a training is what the version trained since then has learned.
        trained = state == State.RETRAIN and champion not in day.traffic["versions"]
        if day.day >= first and day.rows >= settings.fewest_rows and (state in _CALM or trained):
            quiet.append(day)
    return replace(whole, earlier=tuple(usable), quiet=tuple(quiet))


def alarms_of(context: Context) -> list[Alarm]:
    """The alarms of all layers, in the order of the layers, worst first within a layer."""
    found: list[Alarm] = []
    for layer in LAYERS:
        found += sorted(MONITORS[layer](context), key=lambda one: _WORST.index(one.state))
        if any(one.cause in _ENDED for one in found):
            break
    return found


def verdict_of(context: Context, alarms: Sequence[Alarm], verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that alarms lead to, with ``since`` from the verdicts of earlier days."""
    alarms = [*alarms, *_few_days(context)]
    acting = [one for one in alarms if one.state not in _CALM] or alarms
    day, versions = context.newest.day, _versions(context)
    if not acting:
        return Verdict(State.HEALTHY, "", day, day, (), ACTIONS[State.HEALTHY], versions)
    layer = acting[0].layer
    own = sorted((one for one in acting if one.layer == layer), key=lambda one: _WORST.index(one.state))
    state, cause = own[0].state, own[0].cause
    evidence = (*own, *(one for one in alarms if one not in own))
    return Verdict(state, cause, _since(cause, day, verdicts), day, evidence, ACTIONS[state], versions)


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


def _roles(newest: DaySummary, verdicts: Sequence[Verdict], now: Mapping[str, str]) -> dict[str, str]:
    """The roles of now that versions had on the day, too: they served on it, or had the role the day before.

    The champion of a day on which that of now did not serve is the one that its verdict had before.
    """
    served = newest.traffic["versions"]
    before = max((one for one in verdicts if one.day < newest.day), key=lambda one: one.day, default=None)
    known = before.versions if before else {}
    roles = {role: one for role, one in now.items() if served.get(one) or known.get(role) == one}
    same = next((one.versions.get("champion") for one in verdicts if one.day == newest.day), None)
    if "champion" not in roles and same and served.get(same):
        roles = {"champion": same, **{role: one for role, one in roles.items() if one != same}}
    return roles


def _versions(context: Context) -> dict[str, str]:
    """Versions by role on the day: one that is the champion has no other role."""
    champion = context.champion()
    others = {role: one for role, one in context.roles.items() if role != "champion" and one != champion}
    return {**({"champion": champion} if champion else {}), **others}
