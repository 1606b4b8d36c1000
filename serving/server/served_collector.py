"""Collects served log and outcomes of a pod in object storage, in a process beside the server's.

``python -m serving.server.served_collector FOLDER ADDRESS`` sends new lines of the folder as parts
(``models.served_parts``), and those of outcomes beside it (``models.outcome_parts``), until its input ends, as it does
with the server, then once more. What has been sent is noted in the folders, so a container that is restarted in its pod
goes on where the last one ended.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from models import outcome_parts, served_parts
from models.outcome_parts import Outcome
from models.served_rows import line_object, lines, row
from models.storage import join
from serving.settings.private import write_private

EVERY = 60.0
"""Seconds between two looks for new lines: what a lost machine takes with it at most, while storage responds."""
FULL_ROWS, FULL_SECONDS = 20_000, 3600.0
"""A part is written again with the lines that follow until it has so many rows, or is as old: fewer files to read."""
BLOCK = 32 << 20
"""Most bytes of lines in one part."""
LAST_SECONDS = 8.0
"""How long a server that ends waits for the last part."""
_STATE = ".collected.json"
_log = logging.getLogger("heliograph")


@dataclass
class Sent:
    """What of one file has been sent, in bytes: all up to ``end``; the lines from ``start`` on are in the last part."""

    start: int = 0
    end: int = 0
    began: float = 0.0
    """When the last part was begun, seconds since 1970."""


@dataclass
class Progress:
    """What has been sent from one folder."""

    source: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Names this folder's parts apart from those of other pods."""
    files: dict[str, Sent] = field(default_factory=dict)


Write = Callable[[str, str, list[bytes]], int]
"""Writes lines as the parts of a name at an address; returns how many rows."""


def write_served(address: str, name: str, content: list[bytes]) -> int:
    """Write lines of the served log. Raises OSError."""
    return served_parts.write(address, name, map(row, lines(content)))


def write_outcomes(address: str, name: str, content: list[bytes]) -> int:
    """Write lines of outcomes, each below its product's name. Raises OSError."""
    products: dict[str, list[Outcome]] = {}
    for line in filter(None, map(line_object, content)):
        if line.keys() >= {"product", *Outcome._fields}:
            products.setdefault(line["product"], []).append(Outcome(*(line[field] for field in Outcome._fields)))
    return sum(outcome_parts.write(join(address, product), name, rows) for product, rows in products.items())


def outcomes_beside(served: str) -> str:
    """The address of the outcomes of all products, beside that of a served log."""
    return join(served.rstrip("/").removesuffix(f"/{served_parts.FOLDER}"), outcome_parts.FOLDER)


class Collector:
    """Sends the new lines of a folder to an address."""

    def __init__(
        self,
        folder: Path,
        address: str,
        full_rows: int = FULL_ROWS,
        block: int = BLOCK,
        write: Write = write_served,
    ) -> None:
        self._folder, self._address, self._full_rows, self._block = folder, address, full_rows, block
        self._write = write
        self._state = folder / _STATE
        self._progress = self._read()

    def collect(self) -> int:
        """Send what is new; return how many rows were written. Raises OSError; what was not sent is sent next time."""
        files = sorted(self._folder.glob("*.jsonl"))
        names = {file.name for file in files}
        self._progress.files = {name: sent for name, sent in self._progress.files.items() if name in names}
        written = 0
        for file in files:
            sent = self._progress.files.setdefault(file.name, Sent())
            until = _size(file)  # lines that are written meanwhile are for the next look
            while content := _block(file, sent.start, min(self._block, until - sent.start)):
                whole = content[: content.rfind(b"\n") + 1]
                more = len(content) == self._block
                if more:  # a line that is longer than a block is sent in pieces, which nobody can read
                    whole = whole or content
                elif sent.start + len(whole) in (sent.start, sent.end):
                    break
                written += self._send(file, sent, whole, more)
                self._save()
        return written

    def _send(self, file: Path, sent: Sent, content: bytes, full: bool) -> int:
        if sent.start == sent.end:
            sent.began = time.time()
        name = f"{self._progress.source}-{file.stem}-{sent.start}"
        rows = self._write(self._address, name, content.splitlines())
        sent.end = sent.start + len(content)
        if full or rows >= self._full_rows or time.time() - sent.began >= FULL_SECONDS:
            sent.start = sent.end
        return rows

    def _read(self) -> Progress:
        try:
            document = json.loads(self._state.read_text(encoding="utf-8"))
            return Progress(document["source"], {name: Sent(**sent) for name, sent in document["files"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Progress()  # the lines are sent again; readers know an impression by its id

    def _save(self) -> None:
        write_private(self._state, json.dumps(asdict(self._progress)))


def _size(file: Path) -> int:
    """Bytes of a file; 0 for one that is gone: the oldest are removed."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _block(file: Path, start: int, size: int) -> bytes:
    """So many bytes of a file, less at its end."""
    try:
        with file.open("rb") as stream:
            stream.seek(start)
            return stream.read(max(0, size))
    except FileNotFoundError:
        return b""


@contextmanager
def collecting(folder: str, address: str) -> Iterator[None]:
    """Collect a folder's lines beside the block, and the last ones after it; nothing without an address."""
    if not address:
        yield
        return
    command = [sys.executable, "-m", "serving.server.served_collector", folder, address]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            _log.warning("the served log: expected its last lines to be sent in %g s; they are lost", LAST_SECONDS)


def run(folder: Path, address: str, stopped: threading.Event, every: float = EVERY) -> None:
    """Collect until ``stopped`` is set, then once more. What storage does not take is tried again."""
    beside = Collector(folder.parent / outcome_parts.FOLDER, outcomes_beside(address), write=write_outcomes)
    collectors, ends = {"the served log": Collector(folder, address), "outcomes": beside}, False
    while not ends:
        ends = stopped.wait(every)
        for what, collector in collectors.items():
            try:
                collector.collect()
            except (OSError, ValueError) as error:
                _log.warning("%s: not sent, tried again: %s", what, error)


def main() -> int:
    """Collect until standard input ends."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, signal.SIG_IGN)  # the server ends first
    os.nice(10)
    stopped = threading.Event()

    def await_end() -> None:
        sys.stdin.buffer.read()
        stopped.set()

    threading.Thread(target=await_end, daemon=True).start()
    run(Path(sys.argv[1]), sys.argv[2], stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
