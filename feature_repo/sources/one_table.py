"""The parts of a table, such as one for each day, as one table whose columns have one type each."""

from collections.abc import Sequence

import pyarrow as pa

from feature_repo.sources.errors import SourceError


def one_table(parts: Sequence[pa.Table], places: Sequence[str], advice: str) -> pa.Table:
    """The parts as one, in their order; ``places`` names each of them in errors.

    A part without a row, and a column without a value, have no type. Raises SourceError, which ends with ``advice``,
    if a column has values of two types.
    """
    full = [place for place, part in enumerate(parts) if part.num_rows] or [0]
    parts = [_without_empty_types(parts[place].replace_schema_metadata(None)) for place in full]
    places = [places[place] for place in full]
    first: dict[str, tuple[pa.DataType, str]] = {}
    for part, place in zip(parts, places, strict=True):
        for field in part.schema:
            if pa.types.is_null(field.type):
                continue
            kind, other = first.setdefault(field.name, (field.type, place))
            if kind != field.type:
                raise SourceError(
                    f"{place}, column {field.name}: expected {kind} as in {other}; found {field.type}. {advice}"
                )
    return pa.concat_tables(parts, promote_options="default")


def _without_empty_types(part: pa.Table) -> pa.Table:
    for place, field in enumerate(part.schema):
        if part.num_rows == part[place].null_count and part.num_rows:
            part = part.set_column(place, field.name, pa.nulls(part.num_rows))
    return part
