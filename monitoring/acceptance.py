"""Data faults that a person accepts: ``monitoring/<product>/verdicts/accepted-<day>-<cause>.json``.

Where a fault turns out to be wanted (a surface closed for good), the days since it began are the new normal.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from models.clock import now
from models.storage import join, names, read_bytes, write_bytes
from models.time_units import iso
from monitoring.accepted import Accepted
from monitoring.documents import plain
from monitoring.errors import VerdictError
from monitoring.monitors.judge import standing
from monitoring.verdict import State, Verdict
from monitoring.verdicts import folder_of, newest_verdict, read_verdict, verdict_days, write_verdict

_NAME = re.compile(r"accepted-\d{4}-\d{2}-\d{2}-[a-z_.]+\.json", re.ASCII)


def accept(storage: str, product: str, cause: str, reason: str, by: str, subjects: Collection[str] = ()) -> Verdict:
    """Accept a cause of the newest verdict, a data fault, from the first of its days on; return what is left of it.

    ``subjects``: what of it is wanted; may be left out where the verdict has the cause of one subject alone.
    The verdict is written again without the accepted alarms; run again, also after a kill, nothing is accepted twice.
    Monitoring takes the acceptance into account from its next run on. Raises VerdictError where there is no such
    verdict or subject, or no reason; OSError.
    """
    verdict = newest_verdict(storage, product)
    if verdict is None:
        raise VerdictError(f"{product}: expected a verdict in {storage}; found none. Run the pipeline monitoring")
    if not reason.strip():
        raise VerdictError("reason: expected why the change is wanted, in a sentence; found none. Give one")
    before = [one for one in read_accepted(storage, product) if (one.day, one.cause) == (verdict.day, cause)]
    alarms = [one for one in verdict.evidence if one.cause == cause and one.state == State.DATA_FAULT]
    if not alarms and not before:
        faults = dict.fromkeys(one.cause for one in verdict.evidence if one.state == State.DATA_FAULT)
        raise VerdictError(
            f"{cause}: expected a data fault of the verdict of {verdict.day}; found {', '.join(faults) or 'none'}. "
            "Only a data fault of the newest verdict can be accepted"
        )
    known = [one.subject for one in before]
    wanted = _wanted(cause, subjects, list(dict.fromkeys(one.subject for one in alarms)), known)
    since, earlier = _since(storage, product, verdict, cause, wanted)
    found = [
        Accepted(cause, subject, day, verdict.day, reason, by, iso(now()))
        for subject, day in since.items()
        if subject not in known
    ]
    if found:
        document = {"accepted": [one.to_json() for one in (*before, *found)]}
        address = join(folder_of(storage, product), "verdicts", f"accepted-{verdict.day}-{cause}.json")
        write_bytes(address, json.dumps(plain(document), indent=1).encode())
    accepted = [*verdict.accepted, *(one for one in (*before, *found) if one not in verdict.accepted)]
    left = replace(standing(verdict, accepted, earlier), accepted=tuple(accepted))
    if left != verdict:
        write_verdict(storage, product, left)
    return left


def read_accepted(storage: str, product: str) -> list[Accepted]:
    """What was accepted, by day of the verdict. Raises VerdictError for a file that cannot be read, OSError."""
    folder = join(folder_of(storage, product), "verdicts")
    found: list[Accepted] = []
    for name in (one for one in names(folder) if _NAME.fullmatch(one)):
        address = join(folder, name)
        try:
            found += map(Accepted.from_json, json.loads(read_bytes(address))["accepted"])
        except (ValueError, KeyError, TypeError) as error:
            raise VerdictError(f"{address}: expected accepted data faults; found {error}. Remove the file") from None
    return found


def _wanted(cause: str, subjects: Collection[str], found: Sequence[str], known: Sequence[str]) -> list[str]:
    """The subjects to accept. Raises VerdictError for one that the verdict has not, and where it has several."""
    if not subjects and len(found) > 1:
        raise VerdictError(
            f"{cause}: expected which of its subjects are wanted; found several: {_listed(found)}. Name each with "
            "--subject; what is not named stays a fault"
        )
    for one in subjects:
        if one not in found and one not in known:
            raise VerdictError(f"{cause}: expected a subject of the verdict, {_listed(found)}; found {one!r}. Name one")
    return [one for one in found if one in subjects or not subjects]


def _listed(subjects: Sequence[str]) -> str:
    return ", ".join(one or "''" for one in subjects)


def _since(
    storage: str, product: str, verdict: Verdict, cause: str, subjects: Sequence[str]
) -> tuple[dict[str, str], list[Verdict]]:
    """The first day on which the newest verdict's alarm was found without a break, by subject, and verdicts read.

    Only those back to the break are read: the last one of them is of the day before.
    """
    since, going, read = dict.fromkeys(subjects, verdict.day), set(subjects), []
    for day in reversed([day for day in verdict_days(storage, product) if day < verdict.day]):
        if not going:
            break
        read.append(read_verdict(storage, product, day))
        going &= {one.subject for one in read[-1].evidence if one.cause == cause}
        since |= dict.fromkeys(going, day)
    return since, read
