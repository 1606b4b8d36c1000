"""``python -m pipelines schedule``: pipelines of a state folder at fire times, on this machine."""

import argparse
import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.catalogue import PIPELINES
from pipelines.commands.values import add_canary, add_state
from pipelines.cron import Cron
from pipelines.data import DATA_HELP, data_address
from pipelines.entries import Entry, put, read_entries, remove, schedule_file
from pipelines.errors import ScheduleError
from pipelines.local import check_product, load_checked_spec
from pipelines.scheduler import Scheduler, moment_of, trigger_of
from pipelines.tables import text_table

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def add_schedule(commands: Any) -> None:
    """Add the command to argparse's sub-commands."""
    command = commands.add_parser(
        "schedule",
        help="run pipelines on this machine at fire times",
        description="With --cron: add or replace an entry of the schedule. Then run the schedule until SIGTERM.",
    )
    command.add_argument("--cron", help="fire times as in a crontab, for example '0 3 * * *'")
    command.add_argument("--timezone", help="of the fire times (default: the spec's)")
    command.add_argument("--name", help="of the entry (default: the pipeline's)")
    command.add_argument("--pipeline", choices=PIPELINES, default="training")
    command.add_argument("--spec", type=Path, default=Path("configs/professional.yaml"))
    command.add_argument("--data", help=DATA_HELP)
    add_state(command)
    add_canary(command)
    instead = command.add_mutually_exclusive_group()
    instead.add_argument("--save-only", action="store_true", help="change the schedule, do not run it")
    instead.add_argument("--list", action="store_true", help="print the schedule, do not run it")
    instead.add_argument("--remove", metavar="NAME", help="remove an entry, do not run the schedule")
    command.set_defaults(run=_schedule)


def _schedule(options: argparse.Namespace) -> int:
    if options.list:
        print(_listed(options.state))
        return 0
    if options.remove is not None:
        remove(options.state, options.remove)
        print(f"{options.remove} removed from {schedule_file(options.state)}")
        return 0
    entry = _entry(options) if options.cron is not None else None
    if options.save_only:
        if entry is None:
            raise ScheduleError("--save-only: expected an entry to save; found no --cron")
        put(options.state, entry)
        print(_listed(options.state))
        return 0
    return _run(options.state, entry)


def _run(state: Path, entry: Entry | None) -> int:
    """Run the schedule, after adding ``entry``, until SIGTERM or SIGINT."""
    if entry is None and not read_entries(state):
        raise ScheduleError(f"{schedule_file(state)}: expected entries; found none. Add one with --cron '0 3 * * *'")
    scheduler = Scheduler(state)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: scheduler.stop())
    scheduler.run(entry)
    return 0


def _entry(options: argparse.Namespace) -> Entry:
    """The entry that the options describe, checked as far as it can be before it runs."""
    Cron.parse(options.cron)
    spec = load_checked_spec(options.spec)
    check_product(options.state, spec.name)
    data = data_address(options.data)
    zone = options.timezone or spec.timezone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"--timezone: expected a name such as Europe/Berlin; found {zone!r:.80}") from None
    return Entry(
        name=_name(options),
        pipeline=options.pipeline,
        cron=options.cron,
        timezone=zone,
        spec=str(options.spec.resolve()),
        data=data or None,
        canary_percent=options.canary_percent if options.pipeline == "training" else 0,
        since=datetime.now(UTC),
    )


def _name(options: argparse.Namespace) -> str:
    name = options.pipeline if options.name is None else str(options.name)
    if not _NAME.fullmatch(name):
        raise ScheduleError(f"--name: expected letters, digits and _ . -, 100 at most; found {name!r:.120}")
    return name


def _listed(state: Path) -> str:
    entries = read_entries(state)
    if not entries:
        return f"{schedule_file(state)}: no entries"
    rows = []
    for entry in entries.values():
        following = trigger_of(entry).get_next_fire_time(None, datetime.now(UTC))
        last = "-"
        if entry.last is not None:
            last = f"{moment_of(entry, entry.last.fire)}: " + ("ok" if entry.last.reason is None else "failed")
        rows.append([entry.name, entry.pipeline, entry.cron, moment_of(entry, following), last])
    return text_table(["entry", "pipeline", "cron", "next run", "last run"], rows)
