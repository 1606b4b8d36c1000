"""Impressions of a spec: the table of what was shown, and the tasks that are predicted from it."""

from typing import Literal

from pydantic import Field, field_validator

from models.columns import SEEDS
from models.spec.base import Filter, Name, StrictModel, check_unique_values
from models.spec.durations import Length, length_in_microseconds
from models.spec.negatives import SampleNegatives
from models.spec.nodes import Feature


class Column(StrictModel):
    """A column of the impressions that holds the key of a node."""

    node: str = Field(description="Node type.")
    column: Name = Field(description="Column of the impressions' table with the node's key.")


class Impressions(StrictModel):
    """The table of what was shown: to whom, what, where, when, and the outcome."""

    table: Name = Field(default="impressions", description="Canonical table of the adapter; one row per impression.")
    key: Name = Field(default="impression_id", description="Column that identifies an impression.")
    time: Name = Field(
        default="time", description="Column with the time at which the item was shown. Features are as of this time."
    )
    settled: Name = Field(
        default="settled_time",
        description="Column with the time at which the outcome was known, never before `time`. Outcomes count from "
        "then on.",
    )
    member: Column = Field(description="Who saw it.")
    item: Column = Field(description="What was shown: the candidate that is ranked. Another node type than member.")
    surface: Name = Field(default="surface", description="Text column with one of `surfaces`.")
    surfaces: list[str] = Field(
        min_length=1, description="All surfaces on which items are shown. A row or a request with another is an error."
    )
    served: Name | None = Field(
        default=None,
        description="Text column with the id of the served impression (`impression` of the response); null in rows "
        "that Heliograph did not serve. Outcomes are joined with the served log by it. None = there is no such column.",
        examples=["served_impression"],
    )
    context: dict[Name, Literal["number", "category"]] = Field(
        default={},
        description="Columns known at request time: column -> number or category. They are features, and a request "
        "may carry them.",
    )
    candidate_context: dict[Name, Literal["number", "category"]] = Field(
        default={},
        description="Columns known at request time that differ by candidate, such as the price or the campaign: column "
        "-> number or category. They are features, and a request may carry a value per item.",
        examples=[{"price": "number", "campaign": "category"}],
    )
    known_at_request: list[Name] = Field(
        default=[],
        description="Features of which it is certain that their value is known when a request is made, although they "
        "predict a task suspiciously well: columns of the context, of a view or of a counter. The gate holds a "
        "candidate for such a column until it is listed here (docs/model.md).",
        examples=[["session_events"]],
    )
    outcomes: list[Name] = Field(
        min_length=1,
        description="Columns known only once settled. Labels and measures are among them; none may be a feature.",
    )
    sample_negatives: SampleNegatives | None = Field(
        default=None,
        description="Negatives for a log of positives only, such as clicks (docs/negatives.md). None = the table also "
        "has what was shown without success.",
        examples=[{"per_positive": 4, "by": "uniform"}],
    )

    @field_validator("surfaces", "outcomes", "known_at_request")
    @classmethod
    def _check_unique(cls, value: list[str]) -> list[str]:
        return check_unique_values(value)

    @property
    def seeds(self) -> str:
        """The canonical table of the rows to train and judge on."""
        return self.table if self.sample_negatives is None else SEEDS

    @property
    def typed_context(self) -> list[Feature]:
        """The columns of ``context`` as features."""
        return [Feature(name, kind, 1) for name, kind in self.context.items()]

    @property
    def typed_candidates(self) -> list[Feature]:
        """The columns of ``candidate_context`` as features."""
        return [Feature(name, kind, 1) for name, kind in self.candidate_context.items()]

    @property
    def typed_given(self) -> list[Feature]:
        """All columns that a request may carry, as features: of the context, then of the candidates."""
        return self.typed_context + self.typed_candidates


class Task(StrictModel):
    """One prediction target: an outcome column that holds 0 or 1."""

    label: str = Field(description="One of `impressions.outcomes`, with 0 or 1.")
    weight: float = Field(
        default=1.0,
        gt=0,
        description="Weight of the task's loss in training. Larger favors this task over the others.",
    )
    primary: bool = Field(
        default=False, description="Slates are ranked by this task's probability. Exactly one task is primary."
    )
    filter: Filter = Field(
        default={},
        description="Rows on which the task is defined: column -> values. The loss and the metrics leave the others "
        "out. Empty = all rows.",
        examples=[{"surface": ["notification"]}],
    )
    attribution: Length | None = Field(
        default=None,
        description="How long after the impression an outcome may still come: a whole number with s, m, h or d. Until "
        "then a served impression without an outcome is pending, not negative, and with `windows.end: latest` its day "
        "is not settled. None = outcomes are complete once the data has the day.",
        examples=["24h"],
    )

    @property
    def attribution_time(self) -> int:
        """``attribution`` in microseconds; 0 where it is not given."""
        return 0 if self.attribution is None else length_in_microseconds(self.attribution)


class Oracle(StrictModel):
    """Only for simulated data: the true probability of the primary label, which only evaluation reads."""

    table: Name = Field(description="Canonical table with the impressions' key column.")
    probability: Name = Field(description="Column with the true probability, 0 to 1.")
