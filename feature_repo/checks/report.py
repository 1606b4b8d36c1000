"""What a check has found: sentences, a preview in numbers, and suggestions with YAML to paste."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Suggestion:
    """One suggestion, and the part of the spec that follows it."""

    sentence: str
    yaml: str


@dataclass
class Report:
    """The findings about one spec and its data."""

    product: str = ""
    errors: list[str] = field(default_factory=list)
    """What ingest, retrieval or training would refuse, a sentence each."""
    warnings: list[str] = field(default_factory=list)
    """What is accepted, and is probably not meant or not useful."""
    read: bool = False
    """Whether the data was read: errors of the spec keep it from being read."""
    preview: dict[str, Any] = field(default_factory=dict)
    """``feature_repo.checks.preview``; {} where the impressions could not be read."""
    suggestions: list[Suggestion] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)
