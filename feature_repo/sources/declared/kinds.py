"""What the columns of declared tables must become: from where the spec names them."""

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

from feature_repo.sources.declared.members import members
from feature_repo.sources.schemas import TIME, VECTOR, arrow_types
from models.spec import Spec

Kind = Literal["time", "whole", "text", "number", "label", "vector"]
_OF_ARROW: dict[pa.DataType, Kind] = {
    TIME: "time",
    pa.int64(): "whole",
    pa.string(): "text",
    pa.float32(): "number",
    pa.int8(): "label",
    VECTOR: "vector",
}


def kinds(spec: Spec) -> dict[str, dict[str, Kind]]:
    """By table, column -> its kind; columns that the spec does not name have none, and stay as they are.

    The columns of an as-of join have one kind in both tables.
    """
    found = {name: _of_table(spec, name) for name in spec.source.tables}
    key: Kind = "text" if spec.nodes[spec.impressions.member.node].key_type == "string" else "whole"
    for name, columns in members(spec).items():  # so that forgotten members are known in every table
        for column in columns:
            found[name].setdefault(column, key)
    for _ in found:  # a chain of joins is as long as there are tables
        for name, table in spec.source.tables.items():
            for column, join in table.asof.items():
                found[name].setdefault(join.at, "time")
                other = found.get(join.table, {})
                other.setdefault(join.time, "time")
                pairs = [(key, key) for key in join.keys] + [(column, join.column)]
                for here, there in pairs:
                    if kind := found[name].get(here) or other.get(there):
                        found[name].setdefault(here, kind)
                        other.setdefault(there, kind)
    return found


def _of_table(spec: Spec, name: str) -> dict[str, Kind]:
    found: dict[str, Kind] = dict.fromkeys(spec.source.tables[name].times, "time")
    found |= {column: _OF_ARROW[kind] for column, kind in arrow_types(spec, name).items()}
    for edge in spec.edges.values():
        if edge.table == name:
            given: Mapping[str, Kind] = {
                column: "number" if kind == "number" else "text" for column, kind in edge.attributes.items()
            }
            found = {**given, **({edge.weight: "number"} if edge.weight else {}), **found}
            found = {**_of_filter(edge.filter), **found}
    if name == spec.impressions.table:
        found = {**{measure.column: "whole" for measure in spec.measures.values()}, **found}
        for counter in spec.counters.values():
            found = {**_of_filter(counter.filter), **found}
        for task in spec.tasks.values():
            found = {**_of_filter(task.filter), **found}
    if spec.oracle and spec.oracle.table == name:
        found |= {spec.oracle.probability: "number"}
        found.setdefault(
            spec.impressions.key, _of_table(spec, spec.impressions.table).get(spec.impressions.key, "text")
        )
    return found


def _of_filter(kept: Mapping[str, list]) -> dict[str, Kind]:
    """What a filter's values are."""
    found: dict[str, Kind] = {}
    for column, values in kept.items():
        types = {type(value) for value in values}
        if types <= {str}:
            found[column] = "text"
        elif types <= {bool, int}:
            found[column] = "whole"
        elif types <= {bool, int, float}:
            found[column] = "number"
    return found
