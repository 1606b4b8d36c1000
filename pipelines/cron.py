"""Fire times as people write them: a crontab's five fields, with the same meaning on this machine and on a cluster.

The schedulers differ (APScheduler counts weekdays from Monday, KFP from Sunday and has a field of seconds), so weekdays
become names, and what the two would read differently is refused.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.errors import ScheduleError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_WINDOWS = [timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=366), timedelta(days=3000)]


@dataclass(frozen=True)
class Cron:
    """Five checked fields, as lists of numbers or ``*``; weekdays as names."""

    fields: tuple[str, str, str, str, str]

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Check a crontab's five fields. Raises ScheduleError."""
        parts = text.split()
        if len(parts) != 5:
            raise ScheduleError(
                f"--cron: expected five fields (minute, hour, day of month, month, day of week) such as '0 3 * * *'; "
                f"found {len(parts)} in {text!r:.80}"
            )
        minute, hour, day, month, weekday = (_field(part, *limits) for part, limits in zip(parts, _FIELDS, strict=True))
        if day is not None and weekday is not None:
            raise ScheduleError(
                f"--cron: expected a day of the month or a day of the week, and '*' for the other; found both in "
                f"{text!r:.80}, which schedulers read differently. Use two entries"
            )
        if day is not None and not any(_exists(one, month) for one in day):
            raise ScheduleError(f"--cron: expected a day that the months have; found none in {text!r:.80}")
        names = None if weekday is None else [_WEEKDAYS[number] for number in sorted({one % 7 for one in weekday})]
        return cls((_text(minute), _text(hour), _text(day), _text(month), _text(names)))

    @property
    def for_cluster(self) -> str:
        """KFP's six fields: seconds first."""
        return "0 " + " ".join(self.fields)

    def trigger(self, timezone: str) -> Any:
        """APScheduler's trigger in a time zone such as Europe/Berlin."""
        from apscheduler.triggers.cron import CronTrigger

        minute, hour, day, month, weekday = self.fields
        return CronTrigger(
            minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=ZoneInfo(timezone)
        )


def last_fire(trigger: Any, after: datetime, now: datetime) -> datetime | None:
    """The newest fire time of an APScheduler trigger that is later than ``after`` and not later than ``now``.

    None if there is none. However long ago ``after`` is, few fire times are walked through.
    """
    begin = after + timedelta(microseconds=1)
    for window in _WINDOWS:
        start = max(begin, now - window)
        found = trigger.get_next_fire_time(None, start)
        if found is not None and found <= now:
            return _last(trigger, found, now)
        if start == begin:
            break
    return None


def _last(trigger: Any, found: datetime, now: datetime) -> datetime:
    while (later := trigger.get_next_fire_time(found, now + timedelta(days=1))) is not None and later <= now:
        found = later
    return found


def _field(text: str, name: str, least: int, most: int) -> list[int] | None:
    """The numbers of a field; None for ``*``."""
    if text == "*":
        return None
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        first, last, step = match.groups() if match else (None, None, None)
        if match is None or (first is not None and step is not None and last is None) or (step and not int(step)):
            raise _refused(text, name, least, most)
        low = least if first is None else _number(first, name)
        high = most if first is None else low if last is None else _number(last, name)
        if first is None and name == "day of week":
            high = 6
        if low is None or high is None or not least <= low <= high <= most:
            raise _refused(text, name, least, most)
        found.update(range(low, high + 1, int(step or 1)))
    return sorted(found)


def _number(text: str, name: str) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text)
    if name == "month" and text.lower() in _MONTHS:
        return _MONTHS.index(text.lower()) + 1
    if name == "day of week" and text.lower() in _WEEKDAYS:
        return _WEEKDAYS.index(text.lower())
    return None


def _exists(day: int, months: list[int] | None) -> bool:
    long = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    return any(day <= long.get(month, 31) for month in months or range(1, 13))


def _text(values: list[Any] | None) -> str:
    return "*" if values is None else ",".join(map(str, values))


def _refused(text: str, name: str, least: int, most: int) -> ScheduleError:
    return ScheduleError(
        f"--cron: expected for the {name} '*' or numbers from {least} to {most}, as 5, 1-5, 1,3 or */2 (months and "
        f"weekdays also as names); found {text!r:.40}"
    )
