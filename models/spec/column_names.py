"""Columns meet in flat tables: what a spec names there has a name of its own, which is none of ours."""

from collections.abc import Iterator

from models.columns import PROBABILITY, REQUEST, SERVED, TABLE, is_served
from models.counters.columns import OVERALL, columns_of, feature_columns
from models.counters.plan import plans
from models.spec.errors import SpecError
from models.spec.schema import Spec

Named = Iterator[tuple[str, str]]
"""(Key in the spec, column)."""


def check_column_names(spec: Spec, file: str) -> None:
    """Check the columns of the training set, of the served log and of a request. Raises SpecError."""
    served = [*_context(spec), *_features(spec), *_counted(spec)]
    for key, column in (*_owned(spec), *_outcomes(spec), *_filtered(spec), *served):
        if column.lower() in TABLE:
            raise SpecError(file, key, f"a name that our own tables do not use ({_listed(TABLE)})", repr(column))
    for key, column in served:
        if is_served(column):
            ours = f"{_listed(SERVED.union(REQUEST))}, {PROBABILITY}..."
            raise SpecError(file, key, f"a name that requests and the served log do not use ({ours})", repr(column))
    _check_apart(spec, file)


def _check_apart(spec: Spec, file: str) -> None:
    """Keys, times and surface may share a column, and filters any of the impressions'; all else has one of its own."""
    owners: dict[str, tuple[str, str]] = {}
    for key, column in _owned(spec):
        other, same = owners.setdefault(column.lower(), (key, column))
        if same != column:
            raise _twice(file, key, column, other)
    for key, column in (*_outcomes(spec), *_context(spec), *_features(spec), *_counted(spec)):
        if column.lower() in owners:
            raise _twice(file, key, column, owners[column.lower()][0])
        owners[column.lower()] = (key, column)
    columns = {column for _, column in (*_owned(spec), *_outcomes(spec), *_context(spec))}
    for key, column in _filtered(spec):
        other, same = owners.setdefault(column.lower(), (key, column))
        if same != column or (column not in columns and ".filter." not in other):
            raise _twice(file, key, column, other)


def _twice(file: str, key: str, column: str, other: str) -> SpecError:
    expected = "a column name of its own, upper or lower case alike"
    return SpecError(file, key, expected, f"{column!r}, also at {other}")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _owned(spec: Spec) -> Named:
    """Columns that say who, what, where and when."""
    shown = spec.impressions
    for part in ("key", "time", "settled", "surface"):
        yield f"impressions.{part}", getattr(shown, part)
    for role, column in spec.node_columns():
        yield f"impressions.{role}.column", column.column
    yield from ((f"nodes.{name}.key", node.key) for name, node in spec.nodes.items())


def _filtered(spec: Spec) -> Named:
    for group, parts in (("tasks", spec.tasks), ("counters", spec.counters)):
        for name, part in parts.items():
            yield from ((f"{group}.{name}.filter.{column}", column) for column in part.filter)


def _outcomes(spec: Spec) -> Named:
    return ((f"impressions.outcomes.{place}", name) for place, name in enumerate(spec.impressions.outcomes))


def _context(spec: Spec) -> Named:
    return ((f"impressions.context.{name}", name) for name in spec.impressions.context)


def _features(spec: Spec) -> Named:
    for node_name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            yield from ((f"nodes.{node_name}.views.{view_name}.features.{name}", name) for name in view.features)


def _counted(spec: Spec) -> Named:
    """The columns of every counter: of its state, and the features that follow from it."""
    for name, plan in plans(spec).items():
        columns = [column for column, _ in columns_of(plan)]
        columns += feature_columns(spec, name) if name != OVERALL else []
        yield from ((f"counters.{name}", column) for column in dict.fromkeys(columns))
