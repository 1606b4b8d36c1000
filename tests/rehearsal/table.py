"""The table of a rehearsal: every step with its seconds and verdict, and the last line as JSON."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

HELD, BROKEN = "held", "broken"
_REASON = 600
"""Characters of a reason that are printed."""


class BrokenError(AssertionError):
    """Raised by a step that found something else than it expects."""


def expect(holds: object, reason: str) -> None:
    """Raise BrokenError with the reason unless something holds."""
    if not holds:
        raise BrokenError(reason)


@dataclass(frozen=True)
class Row:
    """One step."""

    name: str
    seconds: float
    verdict: str
    detail: str = ""

    def __str__(self) -> str:
        lines = self.detail.strip()[-_REASON:].splitlines() or [""]
        shown = lines[0] if self.verdict == HELD else ""
        text = f"{self.name:<52} {self.seconds:>7.1f} s  {self.verdict:<6}  {shown}".rstrip()
        return text if self.verdict == HELD else "\n".join([text, *(f"    {line}" for line in lines)])


@dataclass
class Table:
    """Steps in their order. A step whose needs did not hold is broken without being run; the others go on."""

    rows: list[Row] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def add(self, name: str, seconds: float, verdict: str, detail: str = "") -> None:
        """Add a step and print it."""
        self.rows.append(Row(name, seconds, verdict, detail))
        print(self.rows[-1], flush=True)

    def run(self, name: str, step: Callable[[], Any], *needs: str) -> Any:
        """Run a step that returns what later steps use, or a text for the table; None where it is broken."""
        missing = [one for one in needs if not self.held(one)]
        if missing:
            self.add(name, 0.0, BROKEN, f"needs: {', '.join(missing)}")
            return None
        begun = time.monotonic()
        try:
            found = step()
        except Exception as error:
            self.add(name, time.monotonic() - begun, BROKEN, f"{type(error).__name__}: {error}")
            return None
        self.results[name] = found
        self.add(name, time.monotonic() - begun, HELD, found if isinstance(found, str) else "")
        return found

    def held(self, name: str) -> bool:
        """Whether a step was run and held."""
        return any(row.name == name and row.verdict == HELD for row in self.rows)

    def seconds(self) -> float:
        """Since the table began."""
        return time.monotonic() - self.started

    def last_line(self) -> str:
        """One JSON object: ``broken`` counts the steps that did not hold, ``broken_steps`` names them."""
        broken = [row.name for row in self.rows if row.verdict == BROKEN]
        facts = {"steps": len(self.rows), "seconds": round(self.seconds(), 1)}
        return json.dumps({**facts, "broken_steps": broken, "broken": len(broken)})
