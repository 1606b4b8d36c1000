"""Options that several commands have, and the texts that they take."""

import argparse
from pathlib import Path
from typing import Any

from models.documents import read_json


def add_state(command: argparse.ArgumentParser) -> None:
    """Add ``--state``."""
    summary = "folder of the registry, stores and reports"
    command.add_argument("--state", type=Path, default=Path("state"), help=summary)


def add_canary(command: argparse.ArgumentParser) -> None:
    """Add ``--canary-percent``."""
    summary = "traffic share of a version that passes the gate (training only; default 0: promote it)"
    command.add_argument("--canary-percent", type=percent, default=0, metavar="0..99", help=summary)


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
