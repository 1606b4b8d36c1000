"""What a person sees of a local run: the steps' own lines and progress; everything goes to the log."""

import contextlib
import re
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import TextIO

from components.step import SAID, SURPRISE

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FAILED = re.compile(r": FAILED after [\d.]+ s: ")
_PROGRESS = re.compile(r"\d+%\|")


class Console:
    """Stands in for stdout and stderr while kfp.local runs: filters for the terminal, writes all to ``log``."""

    encoding = "utf-8"

    def __init__(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("a", encoding="utf-8")
        self._rest = ""
        self._shown_progress = 0.0
        self._of_task: deque[str] = deque(maxlen=15)
        self.failed: list[str] = []
        """The last lines of the first task that failed."""
        self.told = self.surprised = False
        """Whether a step has said why it failed, and whether nobody foresaw that."""

    def __enter__(self) -> "Console":
        self._streams: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        sys.stdout = sys.stderr = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout, sys.stderr = self._streams
        with contextlib.suppress(OSError):
            self._log.close()

    def write(self, text: str) -> int:
        """Take what is printed; act on whole lines."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(COLOUR.sub("", line))
        return len(text)

    def flush(self) -> None:
        """Write the log through."""
        self._keep()

    def _keep(self, line: str | None = None) -> None:
        """Into the log; on a full disk the terminal goes on alone."""
        with contextlib.suppress(OSError):
            if line is not None:
                self._log.write(line + "\n")
            self._log.flush()

    def isatty(self) -> bool:
        """Colours and cursor movements are not wanted."""
        return False

    def _line(self, line: str) -> None:
        self._keep(line)
        text = line.strip()
        if text.startswith(SAID.strip()):
            self.told |= _FAILED.search(text) is not None
            self.surprised |= text.endswith(SURPRISE)
            print(text[len(SAID) :], file=self._streams[0], flush=True)
        elif _PROGRESS.search(text):
            self._progress(text)
        elif "Executing task" in text:
            self._of_task.clear()
        elif "finished with status FAILURE" in text:
            self.failed = self.failed or list(self._of_task)
        elif text:
            self._of_task.append(line)

    def _progress(self, text: str) -> None:
        """Progress bars: at most one line in five seconds, and always the last."""
        now = time.monotonic()
        if now - self._shown_progress >= 5 or "100%|" in text:
            self._shown_progress = now
            print(f"  {text}", file=self._streams[0], flush=True)
