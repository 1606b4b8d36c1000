"""Ranking requests: a member, candidate items and a context, parsed and validated. Invalid ones are refused."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, create_model

from models import clock
from models.float32 import survives
from models.spec import Spec
from models.time_units import SECOND, microseconds
from serving.errors import RequestError
from serving.ranking.candidates import CandidateColumns, candidates_model, given_candidates
from serving.ranking.keys import Key, has_text_keys, items_type, member_type
from serving.settings.limits import Limits
from serving.validation import StrictModel, first_error

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


_LIVE = 60 * SECOND


def is_live(moment: int, clock: int) -> bool:
    """Whether a request with time ``moment`` is live: within 60 s of the clock (both microseconds UTC)."""
    return abs(clock - moment) < _LIVE


@dataclass(frozen=True)
class RankingRequest:
    """One slate to rank. ``time`` in microseconds UTC; a context column that was not given is absent."""

    member: Key
    items: tuple[Key, ...]
    surface: str
    time: int
    context: dict[str, float | str] = field(default_factory=dict)
    candidates: CandidateColumns = field(default_factory=dict)
    """The context of each candidate; a column that was not given is absent."""
    explain: bool = False
    """Whether the response should include reasons for each score."""
    text_keys: bool = False
    """Whether the response should write integer keys as text, as the request did (``serving.ranking.keys``)."""


class RequestParser:
    """Parses requests for one spec; the pydantic models are built once."""

    def __init__(self, spec: Spec, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._context = list(spec.impressions.context)
        self._candidates = spec.impressions.typed_candidates
        self._integers = {role: spec.nodes[column.node].key_type == "int" for role, column in spec.node_columns()}
        instance = _instance_model(spec, self.limits)
        self._instance = instance
        bounds = Field(min_length=1, max_length=self.limits.instances, fail_fast=True)
        instances = Annotated[list[instance], bounds]  # type: ignore[valid-type]
        self._document = create_model("Request", __base__=StrictModel, instances=(instances, ...))

    def parse(self, document: object, now: int | None = None) -> list[RankingRequest]:
        """Parse a v1 document (``{"instances": [...]}``). Raises RequestError.

        Instances without a time get ``now`` (microseconds UTC; default: the clock).
        """
        try:
            checked = self._document.model_validate(document)
        except ValidationError as error:
            raise RequestError(first_error(error)) from None
        moment = clock.now() if now is None else now
        pairs = zip(checked.instances, document["instances"], strict=True)  # type: ignore[attr-defined, index]
        requests = [
            self._request(instance, given, moment, f"instances.{place}.")
            for place, (instance, given) in enumerate(pairs)
        ]
        self._check_explained(requests)
        return requests

    def parse_instance(self, instance: object, now: int | None = None) -> RankingRequest:
        """Parse one instance. Raises RequestError."""
        try:
            checked = self._instance.model_validate(instance)
        except ValidationError as error:
            raise RequestError(first_error(error)) from None
        request = self._request(checked, instance, clock.now() if now is None else now)
        self._check_explained([request])
        return request

    def _check_explained(self, requests: list[RankingRequest]) -> None:
        found = sum(len(request.items) for request in requests if request.explain)
        if found > self.limits.explained:
            raise RequestError(f"explain: expected at most {self.limits.explained} items to explain; found {found}")

    def _request(self, instance: Any, document: Any, now: int, place: str = "") -> RankingRequest:
        """The request of a checked instance; ``document``: the instance as it came."""
        given = instance.context
        columns = {name: getattr(given, f"context_{name}") for name in self._context}
        return RankingRequest(
            member=instance.member,
            items=tuple(instance.items),
            surface=given.surface,
            time=now if given.time is None else microseconds(given.time),
            context={name: value for name, value in columns.items() if value not in (None, "")},  # as in retrieval
            candidates=given_candidates(self._candidates, instance, place),
            explain=instance.explain,
            text_keys=has_text_keys(document, self._integers),
        )


def _instance_model(spec: Spec, limits: Limits) -> type[BaseModel]:
    """Build the pydantic model of one instance: keys, surfaces and columns of context as the spec declares them."""
    surfaces: Any = Literal[tuple(spec.impressions.surfaces)]
    text = Annotated[str, Field(max_length=limits.text)]
    number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_survives)]
    kinds = {"number": number | None, "category": text | None}
    columns: dict[str, Any] = {
        # Prefixed and aliased: a spec may give a column a name that pydantic reserves.
        f"context_{feature.name}": (kinds[feature.kind], Field(None, alias=feature.name))
        for feature in spec.impressions.typed_context
    }
    moment = Annotated[datetime | None, BeforeValidator(_moment)]
    context = create_model("Context", __base__=StrictModel, surface=(surfaces, ...), time=(moment, None), **columns)
    keys = items_type(spec.nodes[spec.impressions.item.node], limits)
    items: Any = Annotated[keys, AfterValidator(_each_once)]
    member = member_type(spec.nodes[spec.impressions.member.node], limits)
    fields: dict[str, Any] = {"member": (member, ...), "items": (items, ...), "context": (context, ...)}
    if candidates := candidates_model(spec.impressions.typed_candidates, kinds, limits.items):
        fields["candidates"] = (candidates | None, None)
    return create_model("Instance", __base__=StrictModel, **fields, explain=(bool, False))


def _moment(value: object) -> datetime | None:
    """Parse ISO-8601 with a zone; pydantic's own parser would also accept numbers and times without a zone."""
    if value is None:
        return None
    expected = "expected an ISO-8601 time with a zone, such as 2025-03-01T09:00:00Z"
    if not isinstance(value, str) or len(value) > 64:
        raise ValueError(expected)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(expected) from None
    if moment.tzinfo is None or not _EARLIEST <= moment < _LATEST:
        raise ValueError(f"{expected}, from 1970 to 2199")
    return moment


def _survives(value: float) -> float:
    """The model reads float32; ingestion refuses the same numbers."""
    if not survives(value):
        raise ValueError("expected a number that survives as float32 (a whole one to 2^24, as a rule)")
    return value


def _each_once(items: list[Key]) -> list[Key]:
    if len(set(items)) < len(items):
        raise ValueError("expected each item once")
    return items
