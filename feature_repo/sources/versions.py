"""Versions of nodes: no two rows of a key have the same time, or nobody could say which of them counts."""

from collections.abc import Mapping

import pandas as pd

from feature_repo.sources.errors import Problems, SourceError
from models.spec import Spec


def check_versions(spec: Spec, tables: Mapping[str, pd.DataFrame], problems: Problems) -> None:
    """Raise SourceError for a view whose table has two rows of a key and time (and ``created``) that differ."""
    for node in spec.nodes.values():
        for name, view in node.views.items():
            if view.table in tables:
                columns = [node.key, view.time, *([view.created] if view.created else [])]
                with problems.trying():
                    _check(name, view.table, tables[view.table][columns])


def _check(view: str, table: str, rows: pd.DataFrame) -> None:
    repeated = rows[rows.duplicated().to_numpy()]
    if len(repeated):
        first = ", ".join(f"{column} {value}" for column, value in repeated.iloc[0].items())
        raise SourceError(
            f"table {table}, view {view}: expected rows that differ in {', '.join(rows.columns)}; found "
            f"{len(repeated)} that do not, such as {first}. Name a `created` column that tells them apart, or keep one "
            "of them (`once`, for declared tables)"
        )
