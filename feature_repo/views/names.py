"""Checks of the names that become Feast views and columns."""

from collections import Counter

from feature_repo.views.errors import DefinitionError
from feature_repo.views.events import event_tables, events_view
from feature_repo.views.pushed import EDGES, KEYS, PUSHED_AT, RECENT, TIMES, VECTOR_COLUMNS
from models.counters.columns import state_columns
from models.features import SLOTS, collaborative_views, counter_columns, counter_views, vector_view
from models.spec import Spec
from models.spec.collaborative_references import collaborative_columns
from models.spec.counter_plans import counter_plans, snapshot_plans

_RESERVED = ("event_timestamp", "entity_row_id", "event_expire_timestamp", "rn", "row")
"""Column names that Feast's point-in-time join, or our retrieval around it, uses."""


def check_names(spec: Spec) -> None:
    """Check what Feast needs beyond the spec's own checks: view and column names that collide with no other.

    Raises DefinitionError.
    """
    vectors = [vector_view(kind, slot) for kind in VECTOR_COLUMNS for slot in SLOTS]
    events = [events_view(table) for table in event_tables(spec)]
    views = [view for node in spec.nodes.values() for view in node.views]
    for name in _duplicates([*vectors, RECENT, *events, *views, *counter_views(spec), *collaborative_views(spec)]):
        raise DefinitionError(f"view {name!r}: expected a unique name; found it twice. Rename the view or counter")
    added = {PUSHED_AT, EDGES, KEYS, TIMES, *(column for columns in VECTOR_COLUMNS.values() for column in columns)}
    for name in _columns(spec):
        # The join of Feast's DuckDB store drops every column that ends in `_y`.
        if name.lower() in _RESERVED or name.lower().endswith("_y"):
            raise DefinitionError(
                f"column {name!r}: expected a name that Feast's join does not use; found one of "
                f"{', '.join(_RESERVED)} or one that ends in '_y'. Rename it in the adapter"
            )
        if name.lower() in added:
            raise DefinitionError(
                f"column {name!r}: expected a name that no column of pushed vectors or activities has "
                f"({', '.join(sorted(added))}). Rename it in the adapter"
            )


def _columns(spec: Spec) -> list[str]:
    """Columns of the spec's views: keys, the surface, features, counter features and state, collaborative columns."""
    roles = {column.node for _, column in spec.node_columns()}
    keys = [node.key for name, node in spec.nodes.items() if node.views or name in roles]
    features = [name for node in spec.nodes.values() for view in node.views.values() for name in view.features]
    counted = [column for counter in spec.counters for column in counter_columns(spec, counter)]
    counted += [column for plan in counter_plans(spec).values() for column in state_columns(plan)]
    counted += [column for snapshot in snapshot_plans(spec).values() for column in snapshot.state_columns]
    stored = [column for _, column in collaborative_columns(spec)]
    return [*keys, spec.impressions.surface, *features, *counted, *stored]


def _duplicates(names: list[str]) -> list[str]:
    """Names that occur twice, ignoring case."""
    counts = Counter(name.lower() for name in names)
    return sorted({name for name in names if counts[name.lower()] > 1})
