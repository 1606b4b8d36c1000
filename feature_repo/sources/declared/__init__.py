"""Adapter ``tables``: the tables that the spec itself describes (``source.tables``), from files and queries.

Nothing here validates, drops duplicates or sorts: ``sources.validate`` does that for every adapter.
"""

import hashlib
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa

from feature_repo.sources.declared.checks import check
from feature_repo.sources.declared.database import Database, database
from feature_repo.sources.declared.files import is_text, raw_files, read_raw
from feature_repo.sources.declared.frames import frame
from feature_repo.sources.declared.joins import joined, once
from feature_repo.sources.declared.kinds import kinds
from feature_repo.sources.declared.members import members
from feature_repo.sources.declared.rows import LEFT_OUT, Declared, Raw, canonical_rows
from feature_repo.sources.files import read_once, without_members
from feature_repo.sources.one_table import one_table
from models.spec import Spec

__all__ = ["read", "tables"]

FORM = 2
"""Raised when rows are made in another way than by an earlier release, so that kept rows are made again."""


def tables(spec: Spec) -> dict[str, tuple[str, ...]]:
    """The columns of every table. Raises SourceError if the spec's tables cannot be read as described."""
    check(spec)
    return {name: table.names for name, table in spec.source.tables.items()}


def read(spec: Spec, data: Path | None) -> dict[str, pd.DataFrame]:
    """Read every table. Raises SourceError, which names file, column, row and value."""
    found, named = kinds(spec), members(spec)
    declared = {name: Declared(name, table, found[name], spec.timezone) for name, table in spec.source.tables.items()}
    rows: dict[str, pa.Table] = {}
    dropped: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        queries = any(table.query is not None for table in spec.source.tables.values())
        connected = stack.enter_context(database(spec.source.database)) if queries else None
        for name, one in declared.items():
            parts, places = _parts(data, one, connected, named[name])
            left_out = sum(int((part.schema.metadata or {}).get(LEFT_OUT, b"0")) for part in parts)
            advice = f"Give the raw column a type under source.tables.{name}.types"
            rows[name] = without_members(one_table(parts, places, advice), named[name])  # before any join
            dropped[name] = {"not where": left_out}
            if one.table.once:
                kept = once(rows[name], one.table.once, one.zone)
                dropped[name]["another row of the key"] = rows[name].num_rows - kept.num_rows
                rows[name] = kept
    whole = {}
    for name, one in declared.items():
        whole[name] = frame(joined(rows[name], one, rows), _outcomes(spec, name))
        whole[name].attrs["dropped"] = {reason: count for reason, count in dropped[name].items() if count}
    return whole


def _parts(
    data: Path | None, one: Declared, connected: Database | None, named: list[str]
) -> tuple[list[pa.Table], list[str]]:
    """The rows of a table's files or of its query, and where each part is from; ``named``: those that name members."""
    if one.table.query is not None and connected is not None:
        raw, given = connected.answer(one.name, one.table.query)
        return [canonical_rows(raw, one, given)], [raw.place]
    files = raw_files(data, one.name, one.table)
    described = f"{FORM}\n{one.name}\n{one.table.model_dump_json(exclude={'asof', 'derived', 'once', 'files'})}"
    form = hashlib.sha256(f"{described}\n{sorted(one.kinds.items())}\n{one.zone}\n{named}".encode()).hexdigest()
    return [read_once(file, form, partial(_part, file, one), named) for file in files], list(map(str, files))


def _part(file: Path, one: Declared) -> pa.Table:
    return canonical_rows(Raw(read_raw(file, one.table), str(file), is_text(file)), one)


def _outcomes(spec: Spec, table: str) -> list[str]:
    return spec.impressions.outcomes if table == spec.impressions.table else []
