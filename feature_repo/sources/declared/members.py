"""Which columns of declared tables name members, also in tables that only as-of joins read."""

from feature_repo.forgotten import member_columns
from models.spec import Spec


def members(spec: Spec) -> dict[str, list[str]]:
    """By table: the columns that name members, by the spec, by their names, or as keys of a join with such a column."""
    shown, tables = spec.impressions, spec.source.tables
    named = [spec.nodes[shown.member.node].key, shown.member.column]
    found = {
        name: dict.fromkeys(column for column in [*member_columns(spec, name), *named] if column in table.columns)
        for name, table in tables.items()
    }
    for _ in tables:  # a chain of joins is as long as there are tables
        for name, table in tables.items():
            for join in table.asof.values():
                other = found.get(join.table, {})
                for key in join.keys:  # the same name in both tables
                    if key in found[name] or key in other:
                        found[name][key] = other[key] = None
    return {name: list(columns) for name, columns in found.items()}
