"""Open Feast's store, or its notes alone. Feast 0.67 sends no usage statistics: there is nothing to switch off.

Every product has a Feast project of its own, and one for each pipeline that only looks. The project is the prefix of
the online rows' keys, so products, and what looks at them, never meet in a store that they share.
"""

import contextlib
import os
import re
import sqlite3
import warnings
from pathlib import Path
from typing import Any

import yaml

from feature_repo.notes import Notes
from feature_repo.packed.rows import RowStore
from feature_repo.views.errors import NotAppliedError
from models.addresses import sqlite_address, sqlite_file
from models.documents import DocumentError, document_text
from models.files import replaced_file
from models.yaml_documents import read_document

_SCRATCH = "_scratch"
_LIKE_SCRATCH = re.compile(rf"{_SCRATCH}_[a-z]*_*$")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def project_of(product: str, pipeline: str | None = None) -> str:
    """The Feast project of a product, given by its spec's name; ``pipeline``: that of one that only looks.

    Feast accepts letters, digits and underscores, which is what names of products consist of; a pipeline's name has
    lower-case letters alone. No two pairs of arguments share a project.
    """
    own = f"{product}_" if _LIKE_SCRATCH.search(product) else product
    return own if pipeline is None else f"{own}{_SCRATCH}_{pipeline}"


def open_store(config: Path, state: Path | None = None, project: str | None = None) -> Any:
    """Open the ``feast.FeatureStore`` of a feature_store.yaml.

    ``state`` moves the embedded registry and online store into that folder; services with an address (a cluster's
    configuration) are unchanged. ``project``: see ``project_of``; None = the file's own. Raises NotAppliedError if
    ``config`` is not a file, names a variable that is not in the environment, or is that of an older release's state.
    """
    from feast import FeatureStore, RepoConfig

    # Ibis warns on every query that DuckDB 2.0 renamed a method; users cannot change that.
    warnings.filterwarnings("ignore", message="fetch_arrow_table", category=DeprecationWarning)
    settings = RepoConfig(**_settings(config, state, project))
    settings.repo_path = config.parent.resolve()
    return FeatureStore(config=settings)


def open_notes(config: Path, state: Path | None = None, project: str | None = None) -> Notes:
    """Open the notes of the same project without importing Feast, which takes seconds. Arguments as ``open_store``."""
    document = _settings(config, state, project)
    return Notes(_rows(config, document["online_store"]), document["project"])


def project_in(config: Path) -> str | None:
    """The project that a feature_store.yaml itself names; None if that is a variable which is not set."""
    document = _filled(_read(config))
    project = document.get("project") if isinstance(document, dict) else None
    return None if project is None or _VARIABLE.search(str(project)) else str(project)


def write_resolved(config: Path, state: Path, project: str) -> Path:
    """Write the settings that ``open_store`` would use to ``state/feast/feature_store.yaml``; return that path.

    The endpoint opens the store with it, from any working folder, and so may Feast's own command. Raises
    NotAppliedError as ``open_store``.
    """
    target = state / "feast" / "feature_store.yaml"
    text = yaml.safe_dump(_settings(config, state, project), sort_keys=False)
    with replaced_file(target) as draft:
        draft.touch(mode=0o600)  # addresses of services may contain passwords
        draft.write_text(text, encoding="utf-8")
    return target


def check_release(state: Path) -> None:
    """Raise NotAppliedError for a state folder that release 0.1 or 0.2 wrote: its features are not read."""
    _check_release(state / "feast")


def _rows(config: Path, online: dict[str, Any]) -> RowStore:
    """The packed rows behind the settings of an online store."""
    kind = str(online.get("type")).rpartition(".")[2]
    if kind == "PackedSqliteOnlineStore":
        from feature_repo.packed.sqlite import SqliteRows

        return SqliteRows(online["path"])
    if kind == "PackedRedisOnlineStore":
        from feature_repo.packed.redis import CONNECT_SECONDS, SECONDS, RedisRows, redis_arguments

        timeouts = {
            "socket_connect_timeout": online.get("connect_timeout", CONNECT_SECONDS),
            "socket_timeout": online.get("timeout", SECONDS),
        }
        return RedisRows(**timeouts, **redis_arguments(online["connection_string"]))
    raise NotAppliedError(
        f"{config}: online_store.type: expected PackedSqliteOnlineStore or PackedRedisOnlineStore of "
        f"feature_repo.stores.online; found {online.get('type')!r}"
    )


def _settings(config: Path, state: Path | None, project: str | None) -> dict[str, Any]:
    """The settings of a feature_store.yaml, with variables filled in and embedded paths absolute."""
    document = _filled(_read(config))
    if project is not None and isinstance(document, dict):
        document["project"] = project
    unset = sorted(set(_VARIABLE.findall(yaml.safe_dump(document))))
    if unset:
        raise NotAppliedError(f"{config}: expected {', '.join(unset)} in the environment; found them unset")
    for part in ("registry", "online_store"):
        if not isinstance(document, dict) or not isinstance(document.get(part), dict):
            raise NotAppliedError(f"{config}: {part}: expected a mapping of keys; found none")
    if not isinstance(document["registry"].get("path"), str):
        raise NotAppliedError(f"{config}: registry.path: expected an address; found none")
    _embed(document, (state / "feast") if state else None, config.parent.resolve())
    return document


def _read(config: Path) -> Any:
    if not config.is_file():
        raise NotAppliedError(f"{config}: expected a feature_store.yaml; found no such file")
    try:
        return read_document(document_text(config, "a feature_store.yaml"))
    except DocumentError as error:
        raise NotAppliedError(f"{config}: {error}") from None


def _filled(value: Any) -> Any:
    """Expand environment variables in all strings. Their values are never parsed as YAML."""
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner) for inner in value]
    return os.path.expandvars(value) if isinstance(value, str) else value


def _embed(document: dict[str, Any], folder: Path | None, beside: Path) -> None:
    """Make the paths of the embedded registry and online store absolute, so that any working folder will do."""
    registry, online = document["registry"], document["online_store"]
    found = sqlite_file(registry["path"], beside)
    if found is not None:
        file = (folder / "registry.db") if folder else found
        _check_release(file.parent)
        file.parent.mkdir(parents=True, exist_ok=True)
        registry["path"] = sqlite_address(file)
        _use_write_ahead_log(file)
    if "path" in online:
        file = (folder / "online.db") if folder else beside / online["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        online["path"] = str(file.resolve())
        _use_write_ahead_log(file)


def _check_release(folder: Path) -> None:
    if (folder / "applied.json").is_file():
        raise NotAppliedError(
            f"{folder}: expected the feature store of this release; found one of release 0.1 or 0.2, which is not "
            f"read. Take the endpoint down, delete {folder}, then run the pipeline `training` again; the registered "
            "versions stay"
        )


def _use_write_ahead_log(database: Path) -> None:
    """Switch a database permanently to a write-ahead log, so that an endpoint can read during a push or materialize.

    In SQLite's default mode a reader waits for the whole batch and times out after five seconds. Raises NotAppliedError
    for a file that is no database.
    """
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        raise NotAppliedError(
            f"{database}: expected a SQLite database that may be written; found: {error}. If it is damaged, take the "
            f"endpoint down, delete {database.parent}, then run the pipeline `training` again"
        ) from None
