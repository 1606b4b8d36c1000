"""Context of the candidates: the columns of a request that hold one value per item."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, create_model

from models.spec import Feature
from serving.errors import RequestError
from serving.validation import StrictModel

CandidateColumns = Mapping[str, tuple[float | str | None, ...]]
"""By column that was given: one value per item, None = missing."""
_PREFIX = "candidate_"


def candidates_model(features: Sequence[Feature], kinds: Mapping[str, Any], most: int) -> type[BaseModel] | None:
    """The pydantic model of ``candidates``: a list of at most ``most`` values by column; None if there is no column.

    ``kinds``: the type of a value by kind of feature; null is a missing one.
    """
    columns: dict[str, Any] = {}
    for feature in features:
        kind = kinds[feature.kind]
        values = Annotated[list[kind], Field(max_length=most, fail_fast=True)]  # type: ignore[valid-type]
        # Prefixed and aliased: a spec may give a column a name that pydantic reserves.
        columns[f"{_PREFIX}{feature.name}"] = (values | None, Field(None, alias=feature.name))
    return create_model("Candidates", __base__=StrictModel, **columns) if columns else None


def given_candidates(features: Sequence[Feature], instance: Any, place: str) -> CandidateColumns:
    """The columns that a checked instance carries; ``place``: where it is in the request, with a dot at the end.

    Raises RequestError for a column that does not have one value per item.
    """
    given = getattr(instance, "candidates", None)
    found: dict[str, tuple[float | str | None, ...]] = {}
    for feature in features if given is not None else ():
        values = getattr(given, f"{_PREFIX}{feature.name}")
        if values is not None and len(values) != len(instance.items):
            wanted = f"{len(instance.items)} values, one per item"
            raise RequestError(f"{place}candidates.{feature.name}: expected {wanted}; found {len(values)}")
        if values is not None:
            found[feature.name] = tuple(None if value == "" else value for value in values)  # as in retrieval
    return found


def candidate_inputs(features: Sequence[Feature], given: CandidateColumns) -> dict[str, np.ndarray]:
    """The columns that were given as the decoder's raw inputs: (items,) float32, NaN = missing, or object, None."""
    found = {}
    for feature in features:
        if feature.name in given:
            values, number = given[feature.name], feature.kind == "number"
            found[feature.name] = np.array(values, np.float32 if number else object)  # None becomes NaN
    return found
