"""Check of column names: columns of a spec share flat tables with each other and with ours, so names must be unique."""

from collections.abc import Iterator
from difflib import get_close_matches

from models.columns import PROBABILITY, REQUEST_TENSORS, SERVED_COLUMNS, TABLE_COLUMNS, is_served
from models.counters.columns import feature_columns, state_column_pairs
from models.counters.plan import OVERALL
from models.spec.collaborative_references import collaborative_columns
from models.spec.counter_plans import counter_plans, snapshot_plans
from models.spec.errors import SpecError
from models.spec.schema import Spec

KeyColumns = Iterator[tuple[str, str]]
"""Pairs (key in the spec, column)."""


def check_column_names(spec: Spec, file: str) -> None:
    """Check the columns of the training set, of the served log and of a request. Raises SpecError."""
    served = _served(spec)
    for key, column in (*_structural(spec), *_outcomes(spec), *_filtered(spec), *served):
        if column.lower() in TABLE_COLUMNS:
            expected = f"a name that our own tables do not use ({_listed(TABLE_COLUMNS)})"
            raise SpecError(file, key, expected, repr(column))
    for key, column in served:
        if is_served(column):
            reserved = f"{_listed(SERVED_COLUMNS.union(REQUEST_TENSORS))}, {PROBABILITY}..."
            expected = f"a name that requests and the served log do not use ({reserved})"
            raise SpecError(file, key, expected, repr(column))
    _check_unique(spec, file)


def check_known_at_request(spec: Spec, file: str) -> None:
    """Check that the columns known at request time are features. Raises SpecError."""
    plans = [plan for name, plan in counter_plans(spec).items() if name != OVERALL]
    given = {column for _, column in (*_context(spec), *_features(spec), *collaborative_columns(spec))}
    known = sorted(given.union(spec.time_features, *map(feature_columns, plans)))
    for place, name in enumerate(spec.impressions.known_at_request):
        if name not in known:
            close = get_close_matches(name, known, 5) or known[:5]
            expected = f"a column of the context, of a view or of a counter ({', '.join(close)}, ...)"
            raise SpecError(file, f"impressions.known_at_request.{place}", expected, repr(name))


def _check_unique(spec: Spec, file: str) -> None:
    """Keys, times and surface may share a column, filters may use any of the impressions; all others are unique.

    The ids of served impressions may be the impressions' key, and nothing else.
    """
    owners: dict[str, tuple[str, str]] = {}
    for key, column in _structural(spec):
        other, same = owners.setdefault(column.lower(), (key, column))
        if same != column:
            raise _duplicate(file, key, column, other)
    for key, column in (*_structural(spec), *_filtered(spec)):
        if column == spec.impressions.served and key not in ("impressions.served", "impressions.key"):
            raise _duplicate(file, "impressions.served", column, key)
    served = _served(spec)
    for key, column in (*_outcomes(spec), *served):
        if column.lower() in owners:
            raise _duplicate(file, key, column, owners[column.lower()][0])
        owners[column.lower()] = (key, column)
    columns = {column for _, column in (*_structural(spec), *_outcomes(spec), *_context(spec))}
    for key, column in _filtered(spec):
        other, same = owners.setdefault(column.lower(), (key, column))
        if same != column or (column not in columns and ".filter." not in other):
            raise _duplicate(file, key, column, other)


def _served(spec: Spec) -> list[tuple[str, str]]:
    """Columns that are features: those of the served log."""
    timed = [(f"time_features.{name}", name) for name in spec.time_features]
    return [*_context(spec), *_features(spec), *_counter_columns(spec), *collaborative_columns(spec), *timed]


def _duplicate(file: str, key: str, column: str, other: str) -> SpecError:
    expected = "a column name that no other key uses, upper or lower case alike"
    return SpecError(file, key, expected, f"{column!r}, also at {other}")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _structural(spec: Spec) -> KeyColumns:
    """Columns that identify a row: keys, times, the surface and the id of the served impression."""
    for name in ("key", "time", "settled", "surface", "served"):
        if column := getattr(spec.impressions, name):
            yield f"impressions.{name}", column
    for role, column in spec.node_columns():
        yield f"impressions.{role}.column", column.column
    yield from ((f"nodes.{name}.key", node.key) for name, node in spec.nodes.items())


def _filtered(spec: Spec) -> KeyColumns:
    for group, parts in (("tasks", spec.tasks), ("counters", spec.counters)):
        for name, part in parts.items():
            yield from ((f"{group}.{name}.filter.{column}", column) for column in part.filter)


def _outcomes(spec: Spec) -> KeyColumns:
    return ((f"impressions.outcomes.{place}", name) for place, name in enumerate(spec.impressions.outcomes))


def _context(spec: Spec) -> KeyColumns:
    for group in ("context", "candidate_context"):
        yield from ((f"impressions.{group}.{name}", name) for name in getattr(spec.impressions, group))


def _features(spec: Spec) -> KeyColumns:
    for node_name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            yield from ((f"nodes.{node_name}.views.{view_name}.features.{name}", name) for name in view.features)


def _counter_columns(spec: Spec) -> KeyColumns:
    """The columns of every counter: those it stores, and the features derived from them."""
    for name, plan in counter_plans(spec).items():
        columns = [column for column, _ in state_column_pairs(plan)]
        columns += feature_columns(plan) if name != OVERALL else []
        yield from ((f"counters.{name}", column) for column in dict.fromkeys(columns))
    for snapshot in snapshot_plans(spec).values():
        yield from (("residuals", column) for column in snapshot.state_columns)
