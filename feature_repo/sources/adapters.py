"""Adapters: look up the one a spec names, and check the spec against the tables that it writes.

An adapter is a module of this package, or any other that is named by its dotted name, with

- ``TABLES: dict[str, tuple[str, ...]]``: the columns of every table that it writes, constant and cheap to import; where
  they follow from the spec, ``tables(spec: Spec) -> dict[str, tuple[str, ...]]`` instead, which reads no data;
- optionally ``check_options(options: dict) -> None``: raises SourceError for invalid ``source.options``;
- ``read(spec: Spec, data: Path | None) -> dict[str, pandas.DataFrame]``: the tables. Rows that it drops on purpose are
  counted in ``frame.attrs["dropped"]``, a dict of reason -> rows.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import pandas as pd

from feature_repo.sources.errors import Problems, SourceError
from feature_repo.sources.reading import explained
from feature_repo.views.errors import DefinitionError
from feature_repo.views.names import check_names
from models.collaborative.plan import collaborative_table
from models.columns import DUCKDB_COLUMNS, SEEDS
from models.features import collaborative_views, counter_table, counter_views
from models.spec import Spec
from models.spec.columns import wrong_columns
from models.system import one_line

_PACKAGE = __name__.rpartition(".")[0]
_DECLARED = "tables"
_MODULES = {_DECLARED: f"{_PACKAGE}.declared"}
"""Adapters whose module has another name."""
_NAME = r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"


class Adapter(Protocol):
    """The interface of an adapter module, beside ``TABLES`` or ``tables``."""

    def read(self, spec: Spec, data: Path | None) -> dict[str, pd.DataFrame]:
        """Read the raw data (``data`` is its folder; None for simulated worlds) and return every table."""


def adapter(name: str) -> Adapter:
    """The adapter of that name. Raises SourceError, which lists the known ones."""
    module = _module(name) if re.fullmatch(_NAME, name) else None
    if module is None or not _is_adapter(module):
        known = ", ".join(sorted(_known()))
        found = repr(name) if module is None else f"{name!r}, which lacks TABLES or read"
        raise SourceError(
            f"source.adapter: expected one of {known}, or a module that Python finds (mypackage.module); found "
            f"{found}. An adapter is {_PACKAGE}/<name>.py or a module on PYTHONPATH"
        )
    return cast(Adapter, module)


def columns_of(spec: Spec) -> dict[str, tuple[str, ...]]:
    """The columns of every table that the spec's adapter writes; reads no data. Raises SourceError."""
    source = adapter(spec.source.adapter)
    if spec.source.adapter != _DECLARED and (spec.source.tables or spec.source.database):
        raise SourceError(
            f"source.tables: expected them with adapter: {_DECLARED}; found adapter: {spec.source.adapter}"
        )
    found = getattr(source, "tables", None)
    return dict(found(spec) if found else source.TABLES)  # type: ignore[attr-defined]


def own_tables(spec: Spec) -> dict[str, tuple[str, ...]]:
    """The columns of every table that ingest adds as if the adapter had written it: those of semantic IDs."""
    found = {}
    for name, block in spec.semantic_ids.items():
        view = spec.nodes[block.node].views[name]
        found[view.table] = (spec.nodes[block.node].key, view.time, *view.features)
    return found


def check(spec: Spec, file: str | None = None, problems: Problems | None = None) -> None:
    """Check the adapter's name and options, every table and column that the spec names, and the names for Feast.

    Reads no data. Raises SourceError (no such adapter, bad options or names) or SpecError (no such table or column);
    ``file`` names the spec in the messages. ``problems`` may keep the errors instead.
    """
    file, problems = file or f"spec {spec.name}", problems or Problems()
    with problems.trying():
        source = adapter(spec.source.adapter)
        options = getattr(source, "check_options", lambda options: None)
        with problems.trying(), _naming(file):
            options(dict(spec.source.options))
        with problems.trying(), _naming(file):
            check_names(spec)
        with problems.trying(), _naming(file):
            columns = columns_of(spec)
            _check_tables(spec, columns)
            for error in wrong_columns(spec, columns | own_tables(spec), file):
                problems.add(error)


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Name the spec's file in the errors of the block."""
    try:
        yield
    except (SourceError, DefinitionError) as error:
        raise SourceError(f"{file}: {error}") from None


def _check_tables(spec: Spec, tables: dict[str, tuple[str, ...]]) -> None:
    """Check that table and column names are unique, ignoring case as SQL does."""
    ours = {counter_table(name).lower() for name in counter_views(spec)}
    ours |= {collaborative_table(name).lower() for name in collaborative_views(spec)}
    ours |= {name.lower() for name in own_tables(spec)}
    ours |= {SEEDS} if spec.impressions.sample_negatives else set()
    seen: dict[str, str] = {}
    for table, columns in tables.items():
        if table.lower() in ours:
            raise SourceError(f"table {table!r}: expected a name that no table of ours has; found it. Rename it")
        if seen.setdefault(table.lower(), table) != table:
            raise SourceError(f"table {table!r}: expected a unique name; found {seen[table.lower()]!r} as well")
        lower = [column.lower() for column in columns]
        for column in columns:
            if lower.count(column.lower()) > 1 or column.lower() in DUCKDB_COLUMNS:
                raise SourceError(
                    f"table {table!r}, column {column!r}: expected a unique name, ignoring case, and none of "
                    f"{', '.join(DUCKDB_COLUMNS)}, which DuckDB adds to a file; found it. Rename it in the adapter"
                )


def _module(name: str) -> ModuleType | None:
    path = name if "." in name else _MODULES.get(name, f"{_PACKAGE}.{name}")
    try:
        with explained(name, f"{path} to be imported"):
            return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is not None and (path == error.name or path.startswith(f"{error.name}.")):
            return None
        found = f"{type(error).__name__}: {one_line(error)}"
        raise SourceError(
            f"source.adapter: expected the module {path} to be importable; found {found}. Install what is missing"
        ) from error


def _is_adapter(module: ModuleType) -> bool:
    described = hasattr(module, "TABLES") or callable(getattr(module, "tables", None))
    return described and callable(getattr(module, "read", None))


def _known() -> list[str]:
    package, found = importlib.import_module(_PACKAGE), []
    for name in dict.fromkeys([*_MODULES, *(info.name for info in pkgutil.iter_modules(package.__path__))]):
        if f"{_PACKAGE}.{name}" in _MODULES.values():
            continue
        with suppress(SourceError):  # of another adapter than the one that was asked for
            module = _module(name)
            found += [name] if module is not None and _is_adapter(module) else []
    return found
