"""The times of a column, whatever they are written as."""

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.sources.declared.rows import Declared, Raw, canonical_rows
from feature_repo.sources.errors import SourceError
from feature_repo.sources.guess.look import Table, raw_name
from models.spec.source import SourceTable, Times


def moments(table: Table, *names: str) -> list[pa.ChunkedArray]:
    """The times of columns, in UTC where they name no zone. Raises SourceError for a value that is none."""
    times, columns = {}, {f"time{place}": raw_name(name) for place, name in enumerate(names)}
    for column, name in zip(columns, names, strict=True):
        looked = table.columns[name]
        if looked.kind != "time":
            times[column] = Times.model_validate(
                {"unit": looked.unit or None, "format": looked.format or None, "timezone": "UTC"}
            )
    declared = Declared(
        table.name, SourceTable(files="any", columns=columns, times=times), dict.fromkeys(columns, "time"), "UTC"
    )
    try:
        rows = canonical_rows(Raw(table.rows, table.files, table.texts), declared)
    except SourceError as error:
        message = str(error)
        for column, name in zip(columns, names, strict=True):
            message = message.replace(f"column {column}:", f"column {name}:")
        raise SourceError(message) from None
    return [rows[column] for column in columns]


def never_before(table: Table, late: str, early: str) -> bool:
    """Whether one column's time is in every row that of the other, or later."""
    try:
        last, first = moments(table, late, early)
    except SourceError:
        return False
    return pc.all(pc.greater_equal(last, first), skip_nulls=False, min_count=0).as_py() is True
