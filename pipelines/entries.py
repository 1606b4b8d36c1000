"""The schedule of a state folder: ``schedule.json``, which pipelines run when, and how each ran last."""

import fcntl
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from models.documents import read_json
from models.files import write_text
from pipelines.errors import ScheduleError

FORMAT = 1


@dataclass(frozen=True)
class Last:
    """The last run of an entry that came to an end; one that was interrupted is not kept, so that it is repeated."""

    fire: datetime
    """The fire time that it was for (UTC)."""
    ended: datetime
    """UTC."""
    reason: str | None = None
    """Why it failed; None if it succeeded."""


@dataclass(frozen=True)
class Entry:
    """A pipeline and its fire times."""

    name: str
    pipeline: str
    cron: str
    """A crontab's five fields."""
    timezone: str
    """Of the fire times, such as Europe/Berlin."""
    spec: str
    """Absolute path of the spec, read again by every run."""
    data: str | None
    """Absolute path of the raw data; None if the adapter needs none."""
    canary_percent: int
    since: datetime
    """Fire times before are not missed (UTC)."""
    last: Last | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What a person chose: everything but times."""
        return {key: value for key, value in asdict(self).items() if key not in ("since", "last")}

    @property
    def done(self) -> datetime:
        """Later fire times are due (UTC)."""
        return self.since if self.last is None else max(self.since, self.last.fire)


def schedule_file(state: Path) -> Path:
    """Path of the schedule within a state folder."""
    return state / "schedule.json"


def read_entries(state: Path) -> dict[str, Entry]:
    """The entries by name; empty if there is no schedule. Raises ScheduleError for a file that is none."""
    path = schedule_file(state)
    if not path.is_file():
        return {}
    try:
        document = read_json(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']}")
        return {name: _entry(name, value) for name, value in document["entries"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ScheduleError(
            f"{path}: expected a schedule of format {FORMAT}, as `python -m pipelines schedule` writes it; found "
            f"{type(error).__name__}: {error}. Remove the file and add the entries again"
        ) from error


def edit(state: Path, change: Callable[[dict[str, Entry]], Mapping[str, Entry]]) -> None:
    """Replace the entries by ``change(entries)``, atomically; of several processes one edits after the other."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "schedule.edit.lock").open("a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        entries = {name: _document(entry) for name, entry in change(read_entries(state)).items()}
        write_text(schedule_file(state), json.dumps({"format": FORMAT, "entries": entries}, indent=2) + "\n")


def put(state: Path, entry: Entry) -> None:
    """Add an entry, or replace that of the same name.

    One with the same settings stays as it is, with the run that it missed: so a service may repeat its command.
    """

    def change(entries: dict[str, Entry]) -> dict[str, Entry]:
        known = entries.get(entry.name)
        if known is not None and known.settings == entry.settings:
            return entries
        return {**entries, entry.name: replace(entry, last=known.last if known else None)}

    edit(state, change)


def correct(state: Path, entry: Entry) -> None:
    """Write an entry with other times."""
    edit(state, lambda entries: {**entries, entry.name: entry} if entry.name in entries else entries)


def remove(state: Path, name: str) -> None:
    """Remove an entry. Raises ScheduleError if there is none of that name."""
    entries = read_entries(state)
    if name not in entries:
        known = ", ".join(entries) or "no entry"
        raise ScheduleError(f"--remove: expected an entry of {schedule_file(state)} ({known}); found {name!r:.80}")
    edit(state, lambda entries: {key: entry for key, entry in entries.items() if key != name})


def record(state: Path, name: str, last: Last) -> None:
    """Keep how an entry ran last, unless it was removed meanwhile."""
    edit(state, lambda entries: {key: replace(e, last=last) if key == name else e for key, e in entries.items()})


def _document(entry: Entry) -> dict[str, Any]:
    last = entry.last
    kept = last and {"fire": last.fire.isoformat(), "ended": last.ended.isoformat(), "reason": last.reason}
    settings = {key: value for key, value in entry.settings.items() if key != "name"}
    return {**settings, "since": entry.since.isoformat(), "last": kept}


def _entry(name: str, document: dict[str, Any]) -> Entry:
    last = document["last"]
    ZoneInfo(document["timezone"])  # raises for a zone that this machine does not know
    kept = last and Last(_time(last["fire"]), _time(last["ended"]), last["reason"])
    return Entry(name=name, **{**document, "since": _time(document["since"]), "last": kept})


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
