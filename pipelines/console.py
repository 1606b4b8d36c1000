"""Terminal output of a local run: the steps' own lines and progress bars; the log gets everything."""

import contextlib
import re
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import TextIO

from components.step import LINE_PREFIX, UNEXPECTED

COLOR = re.compile(r"\x1b\[[0-9;]*m")
_FAILED = re.compile(r": FAILED after [\d.]+ s: ")
_PROGRESS = re.compile(r"\d+%\|")


class Console:
    """Replaces stdout and stderr while kfp.local runs: writes everything to ``log`` and a part to the terminal."""

    encoding = "utf-8"

    def __init__(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("a", encoding="utf-8")
        self._rest = ""
        self._shown_progress = 0.0
        self._of_task: deque[str] = deque(maxlen=15)
        self.failed: list[str] = []
        """The last lines of the first task that failed."""
        self.explained = False
        """Whether a step has printed why it failed."""
        self.unexpected = False
        """Whether a step failed with an unexpected error, whose trace is in the log."""

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
        """Take printed text; handle complete lines."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(COLOR.sub("", line))
        return len(text)

    def flush(self) -> None:
        """Flush the log."""
        self._log_line()

    def _log_line(self, line: str | None = None) -> None:
        """Write to the log; on a full disk only the terminal gets the output."""
        with contextlib.suppress(OSError):
            if line is not None:
                self._log.write(line + "\n")
            self._log.flush()

    def isatty(self) -> bool:
        """False, so that libraries print no colors and no cursor movements."""
        return False

    def _line(self, line: str) -> None:
        self._log_line(line)
        text = line.strip()
        if text.startswith(LINE_PREFIX.strip()):
            self.explained |= _FAILED.search(text) is not None
            self.unexpected |= text.endswith(UNEXPECTED)
            print(text[len(LINE_PREFIX) :], file=self._streams[0], flush=True)
        elif _PROGRESS.search(text):
            self._progress(text)
        elif "Executing task" in text:
            self._of_task.clear()
        elif "finished with status FAILURE" in text:
            self.failed = self.failed or list(self._of_task)
        elif text:
            self._of_task.append(line)

    def _progress(self, text: str) -> None:
        """Print a progress bar at most once in five seconds, and always when it ends."""
        now = time.monotonic()
        if now - self._shown_progress >= 5 or "100%|" in text:
            self._shown_progress = now
            print(f"  {text}", file=self._streams[0], flush=True)
