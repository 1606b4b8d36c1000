"""Checks of declared tables before any data is read."""

from collections.abc import Iterable, Mapping

from feature_repo.sources.declared.expressions import Expression, ExpressionError, parsed
from feature_repo.sources.errors import SourceError
from feature_repo.sources.schemas import key_columns, time_columns
from models.spec import Spec
from models.spec.source import SourceTable


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


def _check_named(place: str, what: str, known: Iterable[str], name: str) -> None:
    if name not in known:
        raise SourceError(f"{place}: expected one of {what} ({', '.join(known)}); found {name!r}")


def _check_context(spec: Spec, place: str, table: SourceTable, read: Mapping[str, Expression]) -> None:
    """Raise SourceError if a context column is made of what only outcomes are made of."""
    shown = spec.impressions
    free = {shown.time, shown.surface, *key_columns(spec, shown.table)}
    public = frozenset[str]().union(*(one.columns for name, one in read.items() if name in free))
    outcome_of = {
        raw: name for name, one in read.items() if name in shown.outcomes for raw in one.columns if raw not in public
    }
    late = {*shown.outcomes, shown.settled}
    for name in [*shown.context, shown.time, shown.surface]:
        used = sorted(read[name].columns & outcome_of.keys()) if name in read else []
        if used:
            raise SourceError(
                f"{place}.columns.{name}: expected what is known when the item is shown; found {used[0]}, from which "
                f"the outcome {outcome_of[used[0]]} is made"
            )
        if name in table.derived and (leaks := sorted(parsed(table.derived[name]).columns & late)):
            raise SourceError(
                f"{place}.derived.{name}: expected what is known when the item is shown; found {leaks[0]}, which is "
                "known only once the outcome has settled"
            )
