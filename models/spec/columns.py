"""Check of every table and column that a spec names against what an adapter writes."""

from collections.abc import Iterable, Iterator, Mapping

from models.spec.edges import Edge
from models.spec.errors import SpecError
from models.spec.references import filters
from models.spec.schema import Spec


def check_columns(spec: Spec, columns: Mapping[str, Iterable[str]], file: str = "(spec)") -> None:
    """Check every table and column that the spec names; ``columns``: table -> its columns. Raises SpecError."""
    for error in wrong_columns(spec, columns, file):
        raise error


def wrong_columns(spec: Spec, columns: Mapping[str, Iterable[str]], file: str = "(spec)") -> Iterator[SpecError]:
    """The errors of ``check_columns``, one for each key that names no table or column."""
    for key, table, column in _named_columns(spec):
        if table not in columns:
            yield SpecError(file, key, f"a table of the adapter ({', '.join(sorted(columns))})", repr(table))
        elif column is not None and column not in columns[table]:
            yield SpecError(file, key, f"a column of table {table} ({', '.join(sorted(columns[table]))})", repr(column))


def _named_columns(spec: Spec) -> Iterable[tuple[str, str, str | None]]:
    """Every (key in the spec, table, column) that a spec names; column None = the table itself."""
    for node_name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            key = f"nodes.{node_name}.views.{view_name}"
            yield f"{key}.table", view.table, None
            yield f"nodes.{node_name}.key", view.table, node.key
            yield f"{key}.time", view.table, view.time
            if view.created:
                yield f"{key}.created", view.table, view.created
            for feature in view.features:
                yield f"{key}.features.{feature}", view.table, feature
    for name, edge in spec.edges.items():
        yield from _edge_columns(name, edge)
    impressions = spec.impressions
    yield "impressions.table", impressions.table, None
    for key in ("key", "time", "settled", "surface", "served"):
        if column_name := getattr(impressions, key):
            yield f"impressions.{key}", impressions.table, column_name
    for role, column in spec.node_columns():
        yield f"impressions.{role}.column", impressions.table, column.column
    for group in ("context", "candidate_context", "outcomes"):
        for column_name in getattr(impressions, group):
            yield f"impressions.{group}.{column_name}", impressions.table, column_name
    yield from _alive_columns(spec)
    for name, measure in spec.measures.items():
        yield f"measures.{name}.column", impressions.table, measure.column
    for key, table, kept in filters(spec):
        for filtered in kept:
            yield f"{key}.{filtered}", table, filtered
    if spec.oracle:
        yield "oracle.table", spec.oracle.table, None
        yield "oracle.probability", spec.oracle.table, spec.oracle.probability


def _alive_columns(spec: Spec) -> Iterable[tuple[str, str, str | None]]:
    sampling = spec.impressions.sample_negatives
    if sampling is None or sampling.alive is None:
        return
    alive, key = sampling.alive, "impressions.sample_negatives.alive"
    yield f"{key}.table", alive.table, None
    yield f"{key}.key", alive.table, alive.key or spec.nodes[spec.impressions.item.node].key
    yield f"{key}.start", alive.table, alive.start
    if alive.end:
        yield f"{key}.end", alive.table, alive.end


def _edge_columns(name: str, edge: Edge) -> Iterable[tuple[str, str, str | None]]:
    yield f"edges.{name}.table", edge.table, None
    yield f"edges.{name}.source.column", edge.table, edge.source.column
    yield f"edges.{name}.target.column", edge.table, edge.target.column
    yield f"edges.{name}.time", edge.table, edge.time
    if edge.weight:
        yield f"edges.{name}.weight", edge.table, edge.weight
    for attribute in edge.attributes:
        yield f"edges.{name}.attributes.{attribute}", edge.table, attribute
