"""The schema of a spec: ``Spec`` and the parts of its top level.

A ``filter`` (of edges, counters and tasks) maps a column to the values that are kept; all columns must match.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, get_type_hints
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.spec.base import Name, StrictModel, display
from models.spec.by_data import undecided
from models.spec.collaborative import Collaborative
from models.spec.counters import Counter, Measure, Residuals
from models.spec.edges import Affinity, Densification, Edge, PageRank
from models.spec.gate import Gate
from models.spec.impressions import Column, Impressions, Oracle, Task
from models.spec.monitoring import Monitoring
from models.spec.nodes import Node
from models.spec.semantic_ids import SemanticIds, with_views
from models.spec.serving import Serving
from models.spec.source import Source
from models.spec.time_features import TimeFeature
from models.spec.windows import WINDOW_ORDER, Span, Windows
from models.spec.zones import Zone
from models.time_units import microseconds, moment

_WORDS = {bool: "true or false", int: "a whole number (an integer)", float: "a number"}


def _check_dataclass_types(value: Any, config: type) -> Any:
    """Check that the keys of a dataclass have exactly their field's type: pydantic is strict with its models only."""
    if not isinstance(value, dict):
        return value
    for name, kind in get_type_hints(config).items():
        given = value.get(name)
        fits = type(given) is kind or (kind is float and type(given) is int)
        if name in value and kind in _WORDS and not fits:
            raise ValueError(f"{name}: expected {_WORDS[kind]}; found {display(given)}")
    return value


_Model = Annotated[ModelConfig, BeforeValidator(lambda value: _check_dataclass_types(value, ModelConfig))]
_Training = Annotated[TrainingConfig, BeforeValidator(lambda value: _check_dataclass_types(value, TrainingConfig))]


class Spec(StrictModel):
    """A product: what Heliograph needs to know about a team's tables."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,40}$",
        description="Name of the product, in the registered model's name and in addresses.",
    )
    timezone: Zone = Field(
        default="UTC",
        description="Time zone in which days, and with them the windows, begin. The local hour and weekday that the "
        "model reads are in it too.",
    )
    source: Source = Field(description="Where the tables come from.")
    nodes: dict[Name, Node] = Field(min_length=1, description="Node types of the graph by name, with their features.")
    edges: dict[Name, Edge] = Field(min_length=1, description="Edge types of the graph by name.")
    affinities: dict[Name, Affinity] = Field(
        default={},
        description="Derived edges from a member to a creator whose content the member often engages with.",
        examples=[{"fan_of": {"engagement": "reacted", "creation": "written_by", "within_days": 28}}],
    )
    densification: dict[Name, Densification] = Field(
        default={},
        description="Derived edges from nodes with few edges to similar nodes.",
        examples=[{"similar_member": {"node": "member", "feature": "profile_vector"}}],
    )
    pageranks: dict[Name, PageRank] = Field(
        default={},
        description="Neighbors found by personalized PageRank instead of single edges.",
        examples=[{"talked_about": {"source": "member", "target": "post"}}],
    )
    impressions: Impressions = Field(description="What was shown, and its outcome.")
    tasks: dict[Name, Task] = Field(
        min_length=1,
        description="What is predicted: one probability per task and candidate. Each task adds a head, a loss, and "
        "bounds in the gate.",
    )
    measures: dict[Name, Measure] = Field(default={}, description="Further outcomes that only counters rate.")
    counters: dict[Name, Counter] = Field(
        default={},
        description="Counts and rates by key as features, the same in training and in serving. At most 10,000 rate "
        "features together.",
    )
    collaborative: dict[Name, Collaborative] = Field(
        default={},
        description="Features of a member and an item from what similar members did, the same in training and in "
        "serving.",
        examples=[{"watched": {"events": ["skipped", "clicked", "long_viewed"], "outcome": ["long_viewed"]}}],
    )
    semantic_ids: dict[Name, SemanticIds] = Field(
        default={},
        description="Codes of what a node engaged with elsewhere, as features of a view of their own "
        "(docs/semantic_ids.md).",
        examples=[{"interests": {"node": "member", "events": ["reacted", "read"], "vector": "post_vector"}}],
    )
    time_features: dict[Name, TimeFeature] = Field(
        default={},
        description="Features from the time of the impression or request: how old an item or member is, and the local "
        "hour and weekday. The same in training and in serving.",
        examples=[{"article_age": {"since": "published"}, "hour": {"clock": "hour"}}],
    )
    residuals: Residuals = Field(
        default=Residuals(),
        description="How the residuals of counters with `residual: true` are made.",
        examples=[{"delay": "3h"}],
    )
    windows: Windows = Field(description="Which days are history, training, validation, gate and test.")
    domains: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Domains whose edges are visible; intrinsic edges always are. None = all.",
        examples=[["notification", "feed"]],
    )
    home_domain: str = Field(
        description="Domain of the product's own surfaces. The comparison pipeline's single-domain model sees only it."
    )
    model: _Model = Field(default=ModelConfig(), description="Sizes and ingredients of the ranker.")
    training: _Training = Field(default=TrainingConfig(), description="Optimizer and length of training.")
    gate: Gate = Field(
        default=Gate(),
        description="Bounds that a candidate must satisfy before it is promoted.",
        examples=[{"margin": 0.001}],
    )
    serving: Serving = Field(default=Serving(), description="Business rules of the ranked slate.")
    monitoring: Monitoring = Field(
        default=Monitoring(),
        description="Bounds of the monitors, and what may be done about an alarm without a person.",
        examples=[{"act": "on"}],
    )
    by_data: dict[str, str] = Field(
        default={},
        description="Keys of `model` and `training`, and `id_buckets` of member and item, that follow the size of the "
        "data; each with the reason of its value once ingest has decided it (docs/model.md). Filled in when a spec is "
        "read, with those that it does not give. {} = none: the defaults of this page hold.",
        examples=[{"training.epochs": ""}],
    )
    oracle: Oracle | None = Field(
        default=None, description="Where a simulated world keeps its true probabilities. None = there are none."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_by_data(cls, value: Any) -> Any:
        value = with_views(value)
        known = not isinstance(value, dict) or "by_data" in value
        return value if known else {**value, "by_data": undecided(value)}

    @property
    def primary_task(self) -> str:
        """The task by which a slate is ranked."""
        return next(name for name, task in self.tasks.items() if task.primary)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which days begin."""
        return ZoneInfo(self.timezone)

    def node_columns(self) -> Iterator[tuple[str, Column]]:
        """The impressions' key columns: (role, column) of member and item."""
        yield "member", self.impressions.member
        yield "item", self.impressions.item

    def active_edges(self) -> dict[str, Edge]:
        """The edge types that ``domains`` leaves visible; intrinsic edges always are."""
        if self.domains is None:
            return dict(self.edges)
        return {name: e for name, e in self.edges.items() if e.kind == "intrinsic" or e.domain in self.domains}

    def span(self, window: str) -> Span:
        """A window's half-open interval of microseconds UTC.

        Raises KeyError for an unknown window, UnresolvedWindowsError before ingest has resolved ``end: latest``.
        """
        day = self.windows.first_day
        for name in WINDOW_ORDER:
            end = day + timedelta(days=self.windows.window(name).days)
            if name == window:
                return Span(self.midnight(day), self.midnight(end))
            day = end
        raise KeyError(window)

    @property
    def attribution(self) -> int:
        """How long the slowest task's outcome may take, microseconds; 0 where no task has ``attribution``."""
        return max(task.attribution_time for task in self.tasks.values())

    def starting(self, start: date) -> "Spec":
        """The same spec with windows that start on that day."""
        return self.model_copy(update={"windows": self.windows.starting(start)})

    @property
    def last_gate_day(self) -> Span:
        """The last day of the gate window: a refit (``gate.refit``) is checked on it, and not trained on it."""
        end = self.span("gate").end
        day = moment(end).astimezone(self.zone).date() - timedelta(days=1)
        return Span(self.midnight(day), end)

    def midnight(self, day: date) -> int:
        """Microseconds UTC at which a day begins in the spec's time zone."""
        return microseconds(datetime.combine(day, time.min, tzinfo=self.zone))
