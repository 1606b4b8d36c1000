"""When a verdict may be acted on: at most one action per verdict, and in a cool-down, whoever is killed when.

A run that finds an action begun and not done (``monitoring.action``) goes on with it once its run has ended, whatever
verdict is the newest by then: a rollback always, a training within the cool-down and unless there is a data fault. It
does not where people have changed meanwhile what serves: the action ends as overtaken, and the newest verdict counts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date

from models.clock import now, readable
from models.spec import Spec
from models.time_units import DAY
from monitoring.action import ACTS, HELD, NOTE, ROLL_BACK, Action, Clock, Document, Notes, parsed
from monitoring.verdict import State, Verdict

NOTHING, FROZEN = "nothing", "frozen"


@dataclass(frozen=True)
class Decision:
    """What a run of the pipeline `act` does."""

    kind: str
    """One of ``ACTS``, ``NOTHING`` or ``FROZEN``."""
    reason: str
    """One sentence for a person."""

    @property
    def acts(self) -> bool:
        """Whether anything is changed."""
        return self.kind in ACTS


def decide(
    spec: Spec,
    verdict: Verdict | None,
    last: Action | None,
    versions: Mapping[str, str],
    time: int,
    made: str | None = None,
) -> Decision:
    """What to do about the newest verdict, whatever the mode. Deterministic.

    ``last``: the last action; ``versions``: those that serve now, by role; ``time``: microseconds UTC; ``made``: the
    version that the last action has registered. The states healthy and watch need no action, a data fault freezes
    training. An action waits until the cool-down of the spec, a day at least, and the slowest task's attribution have
    passed since the last one began, and until a canary is promoted or rolled back. A verdict is not acted on if it is
    about another champion, or so old that its outcomes settled a whole cool-down ago. An action that was begun and not
    ended goes first (``_goes_on``), unless it was ``overtaken``; while its run has it, nothing is done.
    """
    if last is not None and last.held(time):
        return Decision(NOTHING, f"run {last.run} is at {last.id}, and has it until {readable(last.until)} at least")
    known = _known(last, versions, time, made)
    found = _decided(spec, verdict, known, versions, time)
    ended = known is not None and known.overtaken and known != last
    return replace(found, reason=f"{known.overtaken}; {found.reason}") if known is not None and ended else found


def overtaken(last: Action, versions: Mapping[str, str], made: str | None = None) -> str | None:
    """Why an action that was begun is not completed: people have changed what serves; None if it is.

    ``versions``: those that serve now, by role; ``made``: the version that the action has registered. A rollback goes
    on while its canary is one, or its champion serves alone, and once it has its end; a canary that was promoted or a
    champion with a new canary is a person's decision. A training goes on while no version but its own has become
    champion or canary.
    """
    before, champion, canary = last.versions, versions.get("champion"), versions.get("canary")
    if last.kind != ROLL_BACK:
        wanted = champion in (before.get("champion"), made) and canary in (None, made)
    elif "canary" in before:
        wanted = champion != before["canary"]
    else:
        wanted = champion is not None and champion == before.get("previous")
        wanted |= champion == before.get("champion") and canary is None
    if wanted:
        return None
    return (
        f"the action {last.id}, which run {last.run} began, is overtaken: champion {champion or 'none'} and canary "
        f"{canary or 'none'} serve by now"
    )


def _decided(
    spec: Spec, verdict: Verdict | None, last: Action | None, versions: Mapping[str, str], time: int
) -> Decision:
    if last is not None and _goes_on(spec, verdict, last, time):
        return Decision(last.kind, f"{last.kind}: run {last.run} began it and did not end it; this run goes on")
    if verdict is None:
        return Decision(NOTHING, "there is no verdict yet: run the pipeline monitoring")
    if last is not None and last.done and last.verdict == verdict.day:
        return Decision(NOTHING, f"the verdict of {verdict.day} was acted on ({last.kind}, run {last.run})")
    if verdict.state == State.DATA_FAULT:
        return Decision(FROZEN, f"data fault {verdict.cause} since {verdict.since}: no training starts; look at it")
    if verdict.action not in ACTS:
        return Decision(NOTHING, f"the verdict of {verdict.day} is {verdict.state.value}")
    reason = _too_soon(spec, last, time) or _outdated(spec, verdict, versions, time) or _in_the_way(verdict, versions)
    if reason is not None:
        return Decision(NOTHING, reason)
    return Decision(verdict.action, f"{verdict.action}: {verdict.cause} since {verdict.since}")


def begin(
    notes: Notes,
    spec: Spec,
    verdict: Verdict | None,
    versions: Mapping[str, str],
    run: str,
    made: str | None = None,
    alone: bool = False,
    clock: Clock = now,
) -> tuple[Decision, Action | None]:
    """Decide, and record the action as begun by ``run``, in one atomic step; return both, None without an action.

    ``alone``: something else keeps runs from running at once, so that a run that has the action was killed. The other
    arguments are those of ``decide``. An action that was overtaken is recorded as ended. Raises NotesError if the store
    does not respond, ActionError for a note that is not ours.
    """
    found: tuple[Decision, Action | None] = (Decision(NOTHING, ""), None)

    def change(document: Document | None) -> Document | None:
        nonlocal found
        stored, time = parsed(document), clock()
        free = replace(stored, until=0) if stored is not None and (alone or stored.run == run) else stored
        last, decision = _known(free, versions, time, made), decide(spec, verdict, free, versions, time, made)
        if last is not None and not last.held(time) and _goes_on(spec, verdict, last, time):
            action = replace(last, run=run, until=time + HELD)
        elif not decision.acts or verdict is None:
            found = decision, None
            return None if last is None or last == free else asdict(last)
        else:
            new = Action(verdict.day, decision.kind, run, time, since=verdict.since, versions=dict(versions))
            action = replace(new, until=time + HELD)
        found = decision, action
        return asdict(action)

    notes.change(NOTE, change)
    return found


def _known(last: Action | None, versions: Mapping[str, str], time: int, made: str | None) -> Action | None:
    """The last action by what is known now: begun no later than that, since a clock may have been ahead, and ended if
    it was overtaken.
    """
    if last is None or last.held(time):
        return last
    last = replace(last, begun=min(last.begun, time), done=min(last.done, time))
    why = None if last.done else overtaken(last, versions, made)
    return last if why is None else replace(last, done=time, overtaken=why)


def _goes_on(spec: Spec, verdict: Verdict | None, last: Action, time: int) -> bool:
    """Whether the last action was begun and not done, and may be taken up again."""
    if last.done or last.kind == ROLL_BACK:
        return not last.done
    fault = verdict is not None and verdict.state == State.DATA_FAULT
    return not fault and time < last.begun + max(spec.monitoring.cool_down_time, DAY)


def _too_soon(spec: Spec, last: Action | None, time: int) -> str | None:
    if last is None:
        return None
    # Verdicts are about days that ended an attribution ago: the first day after the action is judged only then.
    until = last.begun + max(spec.monitoring.cool_down_time, DAY) + spec.attribution
    if time >= until:
        return None
    return f"{last.kind} began {readable(last.begun)}: the next action may begin {readable(until)} (cool-down)"


def _in_the_way(verdict: Verdict, versions: Mapping[str, str]) -> str | None:
    """Why the versions that serve do not allow the action."""
    action, canary = verdict.action, versions.get("canary")
    if "champion" not in versions:
        return f"{action}: there is no champion: run the pipeline training"
    if action == ROLL_BACK and canary is None and "previous" not in versions:
        return f"{action}: there is no canary and no previous version to go back to: look at it"
    if action == ROLL_BACK and canary is not None and not verdict.cause.startswith("canary."):
        return f"{action}: {verdict.cause} is not the canary's fault: promote or roll back the canary {canary} first"
    if action != ROLL_BACK and canary is not None:
        return f"{action}: the canary {canary} is on trial: promote it or roll it back first"
    return None


def _outdated(spec: Spec, verdict: Verdict, versions: Mapping[str, str], time: int) -> str | None:
    end = spec.midnight(date.fromisoformat(verdict.day)) + DAY
    if time > end + spec.attribution + max(spec.monitoring.cool_down_time, DAY):
        return f"the newest verdict is of {verdict.day}: too old to act on, run the pipeline monitoring"
    for role in ("champion", "canary"):
        judged, serves = verdict.versions.get(role), versions.get(role)
        if judged is not None and judged != serves and (role == "champion" or verdict.action == ROLL_BACK):
            return (
                f"the verdict of {verdict.day} is about the {role} {judged}, and now it is {serves or 'none'}: run the "
                "pipeline monitoring"
            )
    return None
