"""The note of the last action on a verdict, by which one verdict has one action.

It is the note ``action`` of the product's project in the online store, changed by compare-and-set: "begun" with the
run's name before anything is done, "done" after it. While the run works it renews ``until``, and no other run goes on
with the action; a training of hours needs no lease for that.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from models.clock import TOLERANCE, now
from models.time_units import HOUR, MICROSECOND
from monitoring.errors import ActionError

NOTE = "action"
RECALIBRATE, RETRAIN, ROLL_BACK = "recalibrate", "retrain", "roll_back"
ACTS = (RECALIBRATE, RETRAIN, ROLL_BACK)
HELD = HOUR // 2
"""How long a run has an action that it does not renew, microseconds: as long as a lease (``components.lease``)."""
Clock = Callable[[], int]
Document = dict[str, Any]


class Notes(Protocol):
    """The notes of a project in its online store (``feature_repo.notes``)."""

    def read(self, name: str) -> Document | None:
        """A document; None if there is none."""

    def change(self, name: str, change: Callable[[Document | None], Document | None]) -> None:
        """Change a document in one atomic step; ``change`` returns None to leave it."""


@dataclass(frozen=True)
class Action:
    """The last action on a product."""

    verdict: str
    """The day of the verdict, by which it is named: a day that is judged again has the same one."""
    kind: str
    """One of ``ACTS``."""
    run: str
    """The run that acts, or goes on."""
    begun: int
    """Microseconds UTC."""
    done: int = 0
    """Microseconds UTC; 0 = it has not ended."""
    since: str = ""
    """First day with the verdict's cause."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions by role (champion, canary, previous) before it began."""
    overtaken: str = ""
    """Why it ended without having been completed: what people have changed."""
    until: int = 0
    """Until when no other run goes on with it, microseconds UTC; 0 = any may at once."""

    @property
    def id(self) -> str:
        """What identifies it in the registry."""
        return f"{self.verdict} {self.kind}"

    def held(self, time: int) -> bool:
        """Whether its run has it at ``time``, microseconds UTC. What no renewal can have set, a wrong clock has.

        The clock of the machine that renews may be ahead by ``models.clock.TOLERANCE``.
        """
        return not self.done and time < self.until <= time + HELD + TOLERANCE // MICROSECOND


def last_action(notes: Notes) -> Action | None:
    """The last action on the notes' product; None if there was none. Raises NotesError, ActionError."""
    return parsed(notes.read(NOTE))


def begun_action(notes: Notes, run: str) -> Action:
    """The action that ``run`` has begun. Raises ActionError if it has begun none, or another run has."""
    found = last_action(notes)
    if found is None or found.run != run or found.done:
        what = "none" if found is None else f"that of run {found.run}, {'done' if found.done else 'begun'}"
        raise ActionError(f"action: expected one that run {run} has begun; found {what}. Run the pipeline act again")
    return found


def finish(notes: Notes, run: str, why: str = "", clock: Clock = now) -> None:
    """Record that the action of ``run`` has ended; nothing if it has none. Raises as ``last_action``.

    ``why``: how it was overtaken; "" = it is complete.
    """
    _change_own(notes, run, lambda own: replace(own, done=clock(), overtaken=why))


def renew(notes: Notes, run: str, clock: Clock = now) -> None:
    """Hold the action that ``run`` has begun for half an hour from now; nothing if it has none. Raises as before."""
    _change_own(notes, run, lambda own: replace(own, until=clock() + HELD))


def let_go(notes: Notes, run: str) -> None:
    """Leave the action of ``run``, which has failed, to the next run; nothing if it has none. Raises as before."""
    _change_own(notes, run, lambda own: replace(own, until=0))


def _change_own(notes: Notes, run: str, change: Callable[[Action], Action]) -> None:
    def change_document(document: Document | None) -> Document | None:
        last = parsed(document)
        return None if last is None or last.run != run or last.done else asdict(change(last))

    notes.change(NOTE, change_document)


def parsed(document: Document | None) -> Action | None:
    """The action of a note's content. Raises ActionError for one that is not ours."""
    if document is None:
        return None
    try:
        found: Any = Action(**document)
    except TypeError as error:
        raise ActionError(f"note {NOTE}: expected an action; found {error}. Use the release that wrote it") from None
    return found
