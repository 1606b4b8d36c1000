"""Checks of declared tables before any data is read."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from feature_repo.sources.declared.expressions import Expression, ExpressionError, parsed
from feature_repo.sources.errors import SourceError
from feature_repo.sources.schemas import key_columns, time_columns
from models.spec import Spec
from models.spec.impressions import Impressions
from models.spec.source import AsOf, SourceTable


def check(spec: Spec) -> None:
    """Raise SourceError unless expressions are row-wise, joins name what there is, and none reads what comes later."""
    source = spec.source
    if source.options:
        raise SourceError(f"source.options: expected none for tables; found {sorted(source.options)[0]!r}")
    if not source.tables:
        raise SourceError("source.tables: expected a table for every one that the spec names; found none")
    queries = [name for name, table in source.tables.items() if table.query is not None]
    if queries and source.database is None:
        raise SourceError(f"source.database: expected it, since table {queries[0]} has a query; found none")
    for name, table in source.tables.items():
        place = f"source.tables.{name}"
        read = {column: _expression(f"{place}.columns.{column}", text) for column, text in table.columns.items()}
        if table.where is not None:
            _expression(f"{place}.where", table.where)
        for column, text in table.derived.items():
            _check_derived(place, column, _expression(f"{place}.derived.{column}", text), table)
        for column in table.asof:
            _check_join(spec, name, column)
        if name == spec.impressions.table:
            _check_context(spec, place, table, read)


def _expression(place: str, text: str) -> Expression:
    try:
        return parsed(text)
    except ExpressionError as error:
        raise SourceError(f"{place}: expected an expression over one row; found {error}") from None


def _check_derived(place: str, column: str, expression: Expression, table: SourceTable) -> None:
    known = [*table.columns, *table.asof]
    for name in sorted(expression.columns):
        if name not in known:
            raise SourceError(
                f"{place}.derived.{column}: expected names out of columns and asof ({', '.join(known)}); found {name!r}"
            )


def _check_join(spec: Spec, name: str, column: str) -> None:
    tables, shown = spec.source.tables, spec.impressions
    join, place = tables[name].asof[column], f"source.tables.{name}.asof.{column}"
    _check_named(f"{place}.table", "tables", tables, join.table)
    here, there = tables[name].columns, tables[join.table].columns
    for key in join.keys:
        _check_named(f"{place}.key", f"columns of {name}", here, key)
    _check_named(f"{place}.at", f"columns of {name}", here, join.at)
    for key, one in [*(("key", key) for key in join.keys), ("time", join.time), ("column", join.column)]:
        _check_named(f"{place}.{key}", f"columns of {join.table}", there, one)
    if name == shown.table and join.at != shown.time and column not in shown.outcomes:
        raise SourceError(
            f"{place}.at: expected {shown.time}, when the item was shown: later values are not known then; found "
            f"{join.at}"
        )
    known = time_columns(spec).get(name, [])
    if known and join.at not in known:
        raise SourceError(f"{place}.at: expected a time of the table's rows ({', '.join(known)}); found {join.at}")
    early = {shown.key, shown.time, shown.surface, shown.member.column, shown.item.column, *shown.context}
    if join.table == shown.table and join.column not in early and join.time != shown.settled:
        raise SourceError(
            f"{place}.time: expected {shown.settled}, since {join.column} may not be known before; found {join.time}"
        )
    if join.table != shown.table and shown.table in tables and _share(tables[join.table], tables[shown.table]):
        _check_copy(place, join, tables[join.table], tables[shown.table], shown)


def _share(one: SourceTable, other: SourceTable) -> bool:
    """Whether two tables may be read from the same rows."""
    if one.query is not None and other.query is not None:
        return "".join(one.query.lower().rstrip("; \n").split()) == "".join(other.query.lower().rstrip("; \n").split())
    return any(_holds(left, right) or _holds(right, left) for left in one.patterns for right in other.patterns)


def _holds(whole: str, part: str) -> bool:
    """Whether a folder or pattern holds a file, folder or pattern."""
    whole, part = whole.strip("/"), part.strip("/")
    return whole == "." or fnmatchcase(part, whole) or part.startswith(f"{whole}/")


def _check_copy(place: str, join: AsOf, other: SourceTable, table: SourceTable, shown: Impressions) -> None:
    """Raise SourceError if rows of the impressions under another name are read before their outcomes have settled."""
    early = {shown.key, shown.time, shown.surface, shown.member.column, shown.item.column, *shown.context}
    public = _union(parsed(text).columns for name, text in table.columns.items() if name in early)
    picked = [*other.once.key, other.once.last] if other.once else []
    texts = [other.columns[name] for name in [join.column, *join.keys, *picked]]
    late = sorted(_union(parsed(text).columns for text in [*texts, *([other.where] if other.where else [])]) - public)
    settled = table.columns.get(shown.settled)
    same = settled is not None and other.columns[join.time].split() == settled.split()
    if late and not (same and other.times.get(join.time) == table.times.get(shown.settled)):
        raise SourceError(
            f"{place}.time: expected a time that is read like {shown.settled} under columns of {shown.table} "
            f"({settled or 'there is none'}), since {join.table} has the rows of {shown.table}, of which {late[0]} may "
            f"not be known before; found {join.time}"
        )


def _check_named(place: str, what: str, known: Iterable[str], name: str) -> None:
    if name not in known:
        raise SourceError(f"{place}: expected one of {what} ({', '.join(known)}); found {name!r}")


def _check_context(spec: Spec, place: str, table: SourceTable, read: Mapping[str, Expression]) -> None:
    """Raise SourceError if a context column is made of what only outcomes and the settled time are made of."""
    shown = spec.impressions
    raw = {name: one.columns for name, one in read.items()}
    raw |= {name: _union(raw[key] for key in join.keys) for name, join in table.asof.items()}
    derived = {name: parsed(text).columns for name, text in table.derived.items()}
    raw |= {name: _union(raw[one] for one in columns) for name, columns in derived.items()}
    free = {shown.time, shown.surface, *key_columns(spec, shown.table)}
    public = _union(one.columns for name, one in read.items() if name in free)
    late = [shown.settled, *shown.outcomes]
    late_of = {one: name for name in late for one in raw.get(name, ()) if one not in public}
    for name in [shown.time, shown.surface, *(one.name for one in shown.typed_given)]:
        group = "columns" if name in read else "asof" if name in table.asof else "derived"
        expected = f"{place}.{group}.{name}: expected what is known when the item is shown; found"
        if leaks := sorted(derived.get(name, frozenset()) & {*late}):
            raise SourceError(f"{expected} {leaks[0]}, which is known only once the outcome has settled")
        if used := sorted(raw.get(name, frozenset()) & late_of.keys()):
            of = late_of[used[0]]
            what = f"the outcome {of}" if of in shown.outcomes else of
            raise SourceError(f"{expected} {used[0]}, from which {what} is made")


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*sets)
