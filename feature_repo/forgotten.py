"""Forgotten members: a note of digests of their keys, whose rows ingest, materialize and pushes leave out.

The note ``forgotten`` lies in every project of the product. It holds no key, only a digest with the note's own salt:
whoever can read the note can test whether a key that he knows is in it, but not list the keys.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.packed.keys import NOTES, key_part, row_key
from feature_repo.packed.layout import Layout
from feature_repo.packed.rows import RowStore
from models.spec import Spec

NOTE = "forgotten"
REASON = "forgotten members"
"""Reason for dropped rows, as in the manifest of ingested tables."""


@dataclass(frozen=True)
class Forgotten:
    """The members of one product whose rows are left out."""

    key: str = ""
    """Name of the members' join key."""
    salt: bytes = b""
    digests: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.digests)

    def holds(self, value: Any) -> bool:
        """Whether a key is that of a forgotten member; never for a null, or a value that cannot be a key."""
        if isinstance(value, float | np.floating) and float(value).is_integer():
            value = int(value)  # a column of integers with nulls
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer | str):
            return False
        if not isinstance(value, str) and not -(2**63) <= value < 2**63:
            return False
        return digest(value if isinstance(value, str) else int(value), self.salt) in self.digests

    def left(self, table: pa.Table, columns: Sequence[str]) -> pa.Table:
        """The rows in which none of these columns names a forgotten member; the same table if none does."""
        gone: Any = None
        for name in columns if self else ():
            values = pc.unique(table[name])
            found = [value for value in values.to_pylist() if self.holds(value)]
            if found:
                named = pc.is_in(table[name], value_set=pa.array(found, values.type))
                gone = named if gone is None else pc.or_(gone, named)
        return table if gone is None else table.filter(pc.invert(gone))


def digest(value: int | str, salt: bytes) -> str:
    """Digest of a key. Raises UnicodeError for text that is not UTF-8."""
    return blake2b(key_part(value, False), key=salt, digest_size=16).hexdigest()


def forgotten_in(rows: RowStore, project: str) -> Forgotten:
    """The forgotten members of a project in a row store."""
    (found,) = rows.read([row_key(project, NOTES, [NOTE])])
    return parsed(None if found is None else json.loads(found))


def left_online(rows: RowStore, project: str, layout: Layout, table: pa.Table) -> pa.Table:
    """The rows of a view's table that may be written online or into the view's file."""
    members = forgotten_in(rows, project)
    return members.left(table, [members.key] if members.key in {key.name for key in layout.keys} else [])


def parsed(document: dict[str, Any] | None) -> Forgotten:
    """The members in the note; None = there is none."""
    if document is None:
        return Forgotten()
    return Forgotten(document["key"], bytes.fromhex(document["salt"]), frozenset(document["members"]))


def document(members: Forgotten) -> dict[str, Any]:
    """The note of these members."""
    return {"key": members.key, "salt": members.salt.hex(), "members": sorted(members.digests)}


def member_columns(spec: Spec, table: str) -> list[str]:
    """The columns of a canonical table that name members."""
    node = spec.impressions.member.node
    ends = [(edge.table, end) for edge in spec.edges.values() for end in (edge.source, edge.target)]
    found = [end.column for name, end in ends if name == table and end.node == node]
    found += [spec.nodes[node].key for view in spec.nodes[node].views.values() if view.table == table]
    if table == spec.impressions.table:
        found.append(spec.impressions.member.column)
    return list(dict.fromkeys(found))


def raw_columns(spec: Spec, file: Path, names: Iterable[str]) -> list[str]:
    """Of the columns of a raw file, those that name members: named like their key, or like a column that does in the
    canonical table after which the file's folder is named.
    """
    known = {spec.nodes[spec.impressions.member.node].key, *member_columns(spec, file.parent.name)}
    return [name for name in names if name in known]


def without_forgotten(spec: Spec, tables: dict[str, pd.DataFrame], members: Forgotten) -> dict[str, pd.DataFrame]:
    """Tables as an adapter returns them, without rows that name a forgotten member; ``attrs`` count what was dropped.

    A row of the oracle goes with its impression.
    """
    if not members:
        return tables
    left = {name: _dropped(frame, _named(frame, member_columns(spec, name), members)) for name, frame in tables.items()}
    shown, oracle = spec.impressions, spec.oracle
    if oracle is not None and len(left[shown.table]) < len(tables[shown.table]):
        frame = left[oracle.table]
        left[oracle.table] = _dropped(frame, ~frame[shown.key].isin(left[shown.table][shown.key]).to_numpy())
    return left


def _named(frame: pd.DataFrame, columns: Iterable[str], members: Forgotten) -> np.ndarray:
    """Which rows name a forgotten member: (rows,) bool."""
    named = np.zeros(len(frame), bool)
    for name in columns:
        if name in frame:
            found = [value for value in _distinct(frame[name]) if members.holds(value)]
            named |= frame[name].isin(found).to_numpy() if found else False
    return named


def _distinct(column: pd.Series) -> Iterator[Any]:
    try:
        yield from column.dropna().unique()
    except TypeError:  # lists and the like, which validation rejects
        return


def _dropped(frame: pd.DataFrame, gone: np.ndarray) -> pd.DataFrame:
    """The frame without rows, (rows,) bool, which are counted among the dropped ones."""
    if not gone.any():
        return frame
    counts = dict(frame.attrs.get("dropped", {}))
    kept = frame[~gone].reset_index(drop=True)
    kept.attrs = {**frame.attrs, "dropped": {**counts, REASON: counts.get(REASON, 0) + int(gone.sum())}}
    return kept
