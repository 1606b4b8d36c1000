"""Options that several commands have, and the texts that they take."""

import argparse
import os
from pathlib import Path
from typing import Any

from models.command_line import DEFAULT_STATE
from models.documents import read_json
from pipelines.errors import SettingsError
from pipelines.settings import DEFAULTS, ClusterSettings, read_settings

TOKEN = "HELIOGRAPH_KFP_TOKEN"
"""Environment variable with the token for KFP's API."""
MOST_ACCELERATORS = 64
"""GPUs that one node may have."""
MOST_NODES = 64
"""Nodes that one training may have: every step exchanges all gradients."""


def add_state(command: argparse.ArgumentParser) -> None:
    """Add ``--state``."""
    summary = "folder of the registry, stores and reports"
    command.add_argument("--state", type=Path, default=DEFAULT_STATE, help=summary)


def add_canary(command: argparse.ArgumentParser) -> None:
    """Add ``--canary-percent``."""
    summary = "traffic share of a version that passes the gate (training only; default 0: promote it)"
    command.add_argument("--canary-percent", type=percent, default=0, metavar="0..99", help=summary)


def add_acting(command: argparse.ArgumentParser) -> None:
    """Add ``--dry-run``, ``--for-real`` (of the pipeline act) and ``--ignore-freeze`` (of the pipeline training)."""
    mode = command.add_mutually_exclusive_group()
    mode.set_defaults(mode="")
    summary = "act only: say what would be done (default: the spec's monitoring.act)"
    mode.add_argument("--dry-run", dest="mode", action="store_const", const="dry_run", help=summary)
    mode.add_argument("--for-real", dest="mode", action="store_const", const="on", help="act only: do it")
    summary = "training only: train although the newest verdict of the monitors is a data fault"
    command.add_argument("--ignore-freeze", action="store_true", help=summary)


def acting(options: argparse.Namespace) -> dict[str, Any]:
    """The pipeline's parameters that ``add_acting``'s options give. Raises SettingsError for another pipeline's."""
    if options.mode and options.pipeline != "act":
        option = "--for-real" if options.mode == "on" else "--dry-run"
        raise SettingsError(f"{option}: expected it with --pipeline act; found {options.pipeline}. Leave it out")
    if options.ignore_freeze and options.pipeline != "training":
        raise SettingsError(
            f"--ignore-freeze: expected it with --pipeline training; found {options.pipeline}. Leave it out"
        )
    found = {"mode": options.mode, "ignore_freeze": options.ignore_freeze}
    return {name: value for name, value in found.items() if value}


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add ``--secret`` and ``--resources``, from which ``settings`` reads what is compiled into a pipeline's tasks."""
    command.add_argument("--secret", default="heliograph", help="Kubernetes secret with the steps' credentials")
    summary = "YAML file: component -> cpu, memory, scratch, shared_memory, timeout, retries, gpu"
    command.add_argument("--resources", type=Path, metavar="FILE", help=summary)


def settings(options: argparse.Namespace) -> ClusterSettings:
    """The settings that ``add_settings``' options describe. Raises SettingsError."""
    tasks = DEFAULTS if options.resources is None else read_settings(options.resources)
    return ClusterSettings(options.secret, tasks)


def token(file: Path | None) -> str | None:
    """The token for KFP's API: the file's content, else HELIOGRAPH_KFP_TOKEN; None without either.

    Raises SettingsError, which does not name the token.
    """
    place, text = f"--token-file {file}", os.environ.get(TOKEN)
    if file is None:
        place = TOKEN
    else:
        try:
            text = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{place}: expected a file with a token; found {type(error).__name__}") from None
    if text is None:
        return None
    found = text.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise SettingsError(f"{place}: expected one token of printable ASCII characters; found something else")
    return found


def labels(text: str) -> dict[str, str]:
    """Parse a node selector: a JSON object of strings."""
    value = _json(text)
    if not isinstance(value, dict) or not all(isinstance(label, str) for label in value.values()):
        raise argparse.ArgumentTypeError(
            f'expected a JSON object of strings such as {{"pool": "gpu"}}; found {text!r:.80}'
        )
    return value


def tolerations(text: str) -> list[dict[str, Any]]:
    """Parse tolerations: a JSON list of objects."""
    value = _json(text)
    if not isinstance(value, list) or not all(isinstance(toleration, dict) for toleration in value):
        raise argparse.ArgumentTypeError(
            f'expected a JSON list of objects such as [{{"key": "gpu", "operator": "Exists"}}]; found {text!r:.80}'
        )
    return value


def accelerators(text: str) -> str:
    """Check a number of GPUs, 0 or more; return it as KFP takes it."""
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_ACCELERATORS):
        raise argparse.ArgumentTypeError(
            f"expected a whole number of GPUs of one node, 0 to {MOST_ACCELERATORS}; found {text!r:.80}"
        )
    return str(int(text))


def nodes(text: str) -> int:
    """Parse a number of nodes."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_NODES):
        raise argparse.ArgumentTypeError(f"expected a whole number of nodes, 1 to {MOST_NODES}; found {text!r:.80}")
    return int(text)


def percent(text: str) -> int:
    """Parse a share, 0 to 99."""
    if not (text.isascii() and text.isdigit() and int(text) < 100):
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 to 99; found {text!r}")
    return int(text)


def _json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected JSON; found {text!r:.80} ({error})") from None
