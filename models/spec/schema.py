"""What a spec may say: pydantic models whose fields are the whole schema language.

A ``filter`` (on edges, counters and tasks) maps a column to the values that are kept; all columns must match.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator

from models.nn.config import ModelConfig
from models.spec.counters import Counter, Measure
from models.spec.edges import Affinity, Densification, Edge, PageRank
from models.spec.expectations import Expected
from models.spec.gate import Gate
from models.spec.part import LONGEST, Filter, Name, Strict, Value, listed_once, shown
from models.spec.serving import Serving
from models.spec.windows import WINDOW_ORDER, Span, Windows
from models.training.config import TrainingConfig

_VECTOR = re.compile(r"^vector\[(\d+)\]$")


class Feature(NamedTuple):
    """One typed feature: ``kind`` is number, category, vector or text; ``size`` is the vector's length, else 1."""

    name: str
    kind: Literal["number", "category", "vector", "text"]
    size: int


def parse_feature(name: str, text: str) -> Feature:
    """Read ``number``, ``category``, ``text`` or ``vector[n]``; raises ValueError for anything else."""
    if text in ("number", "category", "text"):
        return Feature(name, text, 1)  # type: ignore[arg-type]
    match = _VECTOR.match(text)
    if match and int(match.group(1)) > 0:
        return Feature(name, "vector", int(match.group(1)))
    raise ValueError(f"expected number, category, text or vector[n] with n of 1 or more; found {text!r}")


class Typed(Strict):
    """A part with typed features."""

    features: dict[Name, str] = Field(description="feature name -> number | category | text | vector[n]")

    @field_validator("features")
    @classmethod
    def _known_types(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            parse_feature(name, text)
        return value

    @property
    def typed(self) -> list[Feature]:
        """The features, parsed, in the order of the spec."""
        return [parse_feature(name, text) for name, text in self.features.items()]


class Source(Strict):
    """Where the canonical tables come from: an adapter of ``feature_repo/sources`` and its options."""

    adapter: str
    options: dict[str, Value] = Field(default={})


class View(Typed, Expected):
    """One feature view of a node: a table of versions, each valid from a time on (the table's key is the node's)."""

    table: Name
    time: Name = Field(default="valid_from", description="column: when the values became true")
    created: Name | None = Field(default=None, description="column: when the row was written; breaks ties in time")
    ttl_days: int | None = Field(
        default=None, gt=0, le=LONGEST, description="an older version is missing; none = for ever"
    )


class Node(Strict):
    """One node type: its key column (in every view's table) and its feature views."""

    key: Name
    key_type: Literal["int", "string"] = "int"
    views: dict[Name, View] = Field(default={})
    id_buckets: int = Field(default=0, ge=0, description="buckets of the hashed ID embedding; 0 = no ID embedding")


class Column(Strict):
    """A column of the impressions that holds the key of a node."""

    node: str
    column: Name


class Impressions(Strict):
    """The table of what was shown: who, what, where, when, and what came of it."""

    table: Name = "impressions"
    key: Name = "impression_id"
    time: Name = Field(default="time", description="column: when it was shown (the exposure is known)")
    settled: Name = Field(default="settled_time", description="column: when its outcome was known")
    member: Column
    item: Column
    surface: Name = Field(default="surface", description="column: a string, one of `surfaces`")
    surfaces: list[str] = Field(min_length=1)
    context: dict[Name, str] = Field(default={}, description="columns known at request time: number or category")
    outcomes: list[Name] = Field(min_length=1, description="columns known only once settled; never a feature")

    @field_validator("surfaces", "outcomes")
    @classmethod
    def _listed_once(cls, value: list[str]) -> list[str]:
        return listed_once(value)

    @field_validator("context")
    @classmethod
    def _context_types(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if text not in ("number", "category"):
                raise ValueError(f"{name}: expected number or category; found {text!r}")
        return value

    @property
    def typed_context(self) -> list[Feature]:
        """The context columns as features."""
        return [parse_feature(name, text) for name, text in self.context.items()]


class Task(Strict):
    """One thing to predict: an outcome column that holds 0 or 1."""

    label: str
    weight: float = Field(default=1.0, gt=0)
    primary: bool = False
    filter: Filter = Field(default={}, description="rows on which the task is defined; others are masked")


class Oracle(Strict):
    """Simulated worlds only: the true probability of the primary label. Read by evaluation alone."""

    table: Name
    probability: Name


_WORDS = {bool: "true or false", int: "a whole number (an integer)", float: "a number"}


def _of_its_types(value: Any, config: type) -> Any:
    """The keys of a dataclass, each of its field's own type: pydantic is strict with its own models alone."""
    if not isinstance(value, dict):
        return value
    for name, kind in get_type_hints(config).items():
        given = value.get(name)
        fits = type(given) is kind or (kind is float and type(given) is int)
        if name in value and kind in _WORDS and not fits:
            raise ValueError(f"{name}: expected {_WORDS[kind]}; found {shown(given)}")
    return value


_Model = Annotated[ModelConfig, BeforeValidator(lambda value: _of_its_types(value, ModelConfig))]
_Training = Annotated[TrainingConfig, BeforeValidator(lambda value: _of_its_types(value, TrainingConfig))]


class Spec(Strict):
    """A product: everything that Heliograph needs to know about a team's tables."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    timezone: str = "UTC"
    source: Source
    nodes: dict[Name, Node] = Field(min_length=1)
    edges: dict[Name, Edge] = Field(min_length=1)
    affinities: dict[Name, Affinity] = Field(default={})
    densification: dict[Name, Densification] = Field(default={})
    pageranks: dict[Name, PageRank] = Field(default={})
    impressions: Impressions
    tasks: dict[Name, Task] = Field(min_length=1)
    measures: dict[Name, Measure] = Field(default={})
    counters: dict[Name, Counter] = Field(default={})
    windows: Windows
    domains: list[str] | None = Field(
        default=None, min_length=1, description="domains whose edges are seen; none = all"
    )
    home_domain: str = Field(description="the domain of the product's own surface: `compare` keeps only it")
    model: _Model = ModelConfig()
    training: _Training = TrainingConfig()
    gate: Gate = Gate()
    serving: Serving = Serving()
    oracle: Oracle | None = None

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception as error:
            raise ValueError(f"expected an IANA time zone such as UTC or Asia/Shanghai; found {value!r}") from error
        return value

    @property
    def primary_task(self) -> str:
        """The task by which a slate is ranked."""
        return next(name for name, task in self.tasks.items() if task.primary)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which days begin."""
        return ZoneInfo(self.timezone)

    def node_columns(self) -> Iterator[tuple[str, Column]]:
        """The impressions' two key columns, by role."""
        yield "member", self.impressions.member
        yield "item", self.impressions.item

    def active_edges(self) -> dict[str, Edge]:
        """The edge types that the chosen domains leave visible (intrinsic edges always are)."""
        if self.domains is None:
            return dict(self.edges)
        return {name: e for name, e in self.edges.items() if e.kind == "intrinsic" or e.domain in self.domains}

    def span(self, window: str) -> Span:
        """A window's half-open interval; days begin at midnight in the spec's zone."""
        day = self.windows.start
        for name in WINDOW_ORDER:
            end = day + timedelta(days=self.windows.window(name).days)
            if name == window:
                return Span(self.midnight(day), self.midnight(end))
            day = end
        raise KeyError(window)

    def midnight(self, day: date) -> int:
        """The instant at which a day begins in the spec's zone, in microseconds UTC."""
        start = datetime.combine(day, time.min, tzinfo=self.zone)
        return int(start.timestamp()) * 1_000_000
