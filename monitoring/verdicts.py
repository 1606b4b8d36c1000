"""Where a product's verdicts are: ``monitoring/<product>/verdicts/<day>.json`` below the storage, and their page."""

import json
import shlex
from datetime import date

from models import clock
from models.spec import Spec
from models.storage import is_remote, join, names, read_bytes, write_bytes
from models.time_units import moment
from monitoring.documents import plain
from monitoring.errors import VerdictError
from monitoring.verdict import Alarm, State, Verdict

_SUFFIX = ".json"


def folder_of(storage: str, product: str) -> str:
    """The address of everything that monitoring keeps of a product."""
    return join(storage, "monitoring", product)


def write_verdict(storage: str, product: str, verdict: Verdict) -> str:
    """Write a verdict, whole or not at all, in place of an earlier one of its day; return the address.

    Raises VerdictError for a day that is none, OSError if nothing can be written.
    """
    address = join(folder_of(storage, product), "verdicts", f"{_day(verdict.day)}{_SUFFIX}")
    write_bytes(address, json.dumps(verdict.to_json(), indent=1, allow_nan=False).encode())
    return address


def newest_verdict(storage: str, product: str) -> Verdict | None:
    """The verdict of the newest day that was judged; None where there is none.

    Days after today, which a run with a wrong clock has judged, are left out (``models.clock.latest``).
    Raises VerdictError for a file that is not a verdict of its day, OSError if it cannot be read.
    """
    today = moment(clock.latest()).date().isoformat()  # a settled day is over everywhere, so UTC will do
    days = [day for day in verdict_days(storage, product) if day <= today]
    return read_verdict(storage, product, days[-1]) if days else None


def verdict_days(storage: str, product: str) -> list[str]:
    """The days with a verdict, ISO-8601, oldest first. Other files in the folder are not looked at."""
    found = names(join(folder_of(storage, product), "verdicts"))
    return [name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX) and _is_day(name[: -len(_SUFFIX)])]


def read_verdict(storage: str, product: str, day: str) -> Verdict:
    """The verdict of a day. Raises VerdictError for a file that is not the verdict of that day, FileNotFoundError."""
    address = join(folder_of(storage, product), "verdicts", f"{_day(day)}{_SUFFIX}")
    try:
        document = json.loads(read_bytes(address))
    except ValueError as error:
        raise VerdictError(f"{address}: expected JSON; found {error}. Run monitoring") from None
    if not isinstance(document, dict):
        raise VerdictError(f"{address}: expected an object; found {str(document)[:40]!r}. Run monitoring")
    verdict = Verdict.from_json(document)
    if verdict.day != day:
        raise VerdictError(f"{address}: expected the verdict of {day}; found that of {verdict.day!r}. Run monitoring")
    return verdict


def next_command(verdict: Verdict, product: str, storage: str) -> str:
    """What a person runs next about a verdict of a product whose files are in ``storage``: a folder, or on a cluster.

    The spec is named as README.md names one, ``configs/<product>.yaml``.
    """
    place = ("submit", "--storage") if is_remote(storage) else ("local", "--state")
    quiet = verdict.state in (State.HEALTHY, State.WATCH, State.DATA_FAULT)
    words = ("--pipeline", "monitoring") if quiet else ("--pipeline", "act", "--for-real")
    return shlex.join(
        ["python", "-m", "pipelines", place[0], "--spec", f"configs/{product}.yaml", place[1], storage, *words]
    )


def accept_command(verdict: Verdict, product: str, storage: str) -> str:
    """What a person runs where the verdict's data fault is wanted; TEXT is theirs to write.

    It names all subjects of the cause: those that are not wanted are left out.
    """
    place = "--storage" if is_remote(storage) else "--state"
    faults = [one for one in verdict.evidence if (one.cause, one.state) == (verdict.cause, State.DATA_FAULT)]
    subjects = [word for one in dict.fromkeys(one.subject for one in faults) for word in ("--subject", one)]
    if subjects == ["--subject", ""]:  # the product itself
        subjects = []
    words = [place, storage, "--product", product, "--accept", verdict.cause, *subjects, "--reason", "TEXT"]
    return shlex.join(["python", "-m", "pipelines", "verdict", *words])


def _when(verdict: Verdict) -> str:
    """When the next command helps."""
    if verdict.state == State.DATA_FAULT:
        return f" (once the fault is gone: docs/runbook.md, {verdict.cause}; nothing is trained until then)"
    return " (once the next day is settled)" if verdict.state in (State.HEALTHY, State.WATCH) else ""


def page(product: str, verdict: Verdict, storage: str) -> str:
    """The verdict as text for the terminal: state, cause, since, versions, evidence, what to run."""
    cause = f" ({verdict.cause})" if verdict.cause else ""
    roles = ", ".join(f"{role} {version}" for role, version in sorted(verdict.versions.items())) or "none known"
    lines = [
        f"{product}: {verdict.state.value}{cause}",
        f"since {verdict.since}, judged {verdict.day}; versions: {roles}",
        f"action: {verdict.action}",
    ]
    first = verdict.evidence[0].layer if verdict.evidence else ""
    for title, alarms in (
        ("evidence:", [one for one in verdict.evidence if one.layer == first]),
        ("consequences:", [one for one in verdict.evidence if one.layer != first]),
    ):
        lines += [title, *map(_line, alarms)] if alarms else []
    lines += [f"accepted: {one.text()}" for one in verdict.accepted]
    lines.append(f"next: {next_command(verdict, product, storage)}{_when(verdict)}")
    if verdict.state == State.DATA_FAULT:
        lines.append(f"if it is wanted: {accept_command(verdict, product, storage)}")
    return "\n".join(lines)


def check_not_frozen(spec: Spec, storage: str) -> str | None:
    """Why no training may start, in one sentence: the newest verdict is a data fault; None if it may.

    With ``monitoring.act: "off"`` it always may.
    """
    if spec.monitoring.act == "off":
        return None
    verdict = newest_verdict(storage, spec.name)
    if verdict is None or verdict.state != State.DATA_FAULT:
        return None
    text = verdict.evidence[0].text if verdict.evidence else verdict.cause
    return (
        f"{spec.name} is frozen since {verdict.since}: data fault {verdict.cause}: {text.rstrip('.')}. Nothing is "
        "trained until a later verdict finds no fault, it is accepted (python -m pipelines verdict --accept), or with "
        "--ignore-freeze"
    )


def _line(alarm: Alarm) -> str:
    subject = f" {alarm.subject}" if alarm.subject else ""
    return f"  {alarm.cause}{subject}: {alarm.text}"


def _day(text: str) -> str:
    if not _is_day(text):
        raise VerdictError(f"verdict: expected a day such as 2026-03-01; found {plain(text)!r:.40}. Run monitoring")
    return text


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except (ValueError, TypeError):
        return False
