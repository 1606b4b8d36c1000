"""``python -m feature_repo.sources.export``: write the simulated network as raw logs, a folder that grows every day."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from feature_repo.sources.errors import SourceError
from feature_repo.sources.professional import check_options, first_day, simulated
from feature_repo.sources.world_parts import write_parts
from models.command_line import run_command
from models.spec import load_spec


def main(argv: Sequence[str] | None = None) -> int:
    """Write the parts that are missing; return the exit status."""
    return run_command(_parser, _export, argv)


def _export(options: argparse.Namespace) -> int:
    spec = load_spec(options.spec)
    if spec.source.adapter != "professional":
        found = spec.source.adapter
        raise SourceError(f"source.adapter: expected professional, the simulated network; found {found}")
    check_options(spec.source.options)
    first = first_day(spec)
    days = int(spec.source.options.get("days", spec.windows.days))
    last = first + timedelta(days=days - 1)
    until = options.until or last
    if not first <= until <= last:
        raise SourceError(f"--until: expected a day from {first} to {last} (source.options.days); found {until}")
    written = write_parts(spec, simulated(spec), options.folder, first, until)
    print(f"{len(written)} new files in {options.folder}, up to {until}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m feature_repo.sources.export", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the raw data: DATA of make demo")
    parser.add_argument("--spec", type=Path, default=Path("configs/professional.yaml"))
    parser.add_argument(
        "--until", type=date.fromisoformat, help="last day to write, such as 2026-04-30 (default: the world's last)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
