"""A data fault that a person has accepted: what changed is wanted, and the new normal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from monitoring.errors import VerdictError


@dataclass(frozen=True)
class Accepted:
    """One cause and subject of a data fault that is no fault from a day on."""

    cause: str
    subject: str
    since: str
    """First day (ISO-8601) of the new normal: the cause was found from it on without a break."""
    day: str
    """The day of the verdict that was accepted."""
    reason: str
    by: str
    """Who accepted it."""
    at: str
    """When, ISO-8601."""

    def covers(self, cause: str, subject: str, day: str) -> bool:
        """Whether an alarm of a day is the accepted one. Days after ``day`` were judged with the new normal."""
        return (self.cause, self.subject) == (cause, subject) and self.since <= day <= self.day

    def concerns(self, cause: str, subject: str) -> bool:
        """Whether an alarm rests on what has changed: the same cause, or one of its layer about the same subject."""
        same_layer = self.cause.partition(".")[0] == cause.partition(".")[0]
        return self.subject == subject and (self.cause == cause or (bool(subject) and same_layer))

    def text(self) -> str:
        """One line for a person."""
        subject = f" {self.subject}" if self.subject else ""
        return f"{self.cause}{subject} since {self.since}: {self.reason} ({self.by}, {self.at[:10]})"

    def to_json(self) -> dict[str, str]:
        """Convert to a JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Accepted":
        """Read what ``to_json`` wrote. Raises VerdictError for anything else."""
        given = {one.name: document.get(one.name) for one in fields(cls)} if isinstance(document, Mapping) else {}
        texts = {name: value for name, value in given.items() if isinstance(value, str)}
        if len(texts) < len(fields(cls)):
            raise VerdictError(
                f"accepted data fault: expected texts {', '.join(one.name for one in fields(cls))}; found "
                f"{', '.join(texts) or 'none'}. Remove the file and accept the fault again"
            )
        return cls(**texts)
