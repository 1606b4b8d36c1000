"""Open Feast's store. Feast 0.67 sends no usage statistics, so there is nothing to switch off."""

import contextlib
import os
import re
import sqlite3
import warnings
from pathlib import Path
from typing import Any

import yaml

from feature_repo.views.errors import NotAppliedError
from models.addresses import sqlite_address, sqlite_file
from models.documents import DocumentError, document_text
from models.files import replaced_file
from models.yaml_documents import read_document


def open_store(config: Path, state: Path | None = None) -> Any:
    """Open the ``feast.FeatureStore`` of a feature_store.yaml.

    ``state`` moves the embedded registry and online store into that folder; services with an address (a cluster's
    configuration) are unchanged. Raises NotAppliedError if ``config`` is not a file, or names a variable that is not in
    the environment.
    """
    from feast import FeatureStore, RepoConfig

    # Ibis warns on every query that DuckDB 2.0 renamed a method; users cannot change that.
    warnings.filterwarnings("ignore", message="fetch_arrow_table", category=DeprecationWarning)
    settings = RepoConfig(**_settings(config, state))
    settings.repo_path = config.parent.resolve()
    return FeatureStore(config=settings)


def write_resolved(config: Path, state: Path) -> Path:
    """Write the settings that ``open_store`` would use to ``state/feast/feature_store.yaml``; return that path.

    The endpoint opens the store with it, from any working folder. Raises NotAppliedError if ``config`` is not a file.
    """
    target = state / "feast" / "feature_store.yaml"
    text = yaml.safe_dump(_settings(config, state), sort_keys=False)
    with replaced_file(target) as draft:
        draft.touch(mode=0o600)  # addresses of services may contain passwords
        draft.write_text(text, encoding="utf-8")
    return target


def _settings(config: Path, state: Path | None) -> dict[str, Any]:
    """The settings of a feature_store.yaml, with variables filled in and embedded paths absolute."""
    if not config.is_file():
        raise NotAppliedError(f"{config}: expected a feature_store.yaml; found no such file")
    try:
        document = _filled(read_document(document_text(config, "a feature_store.yaml")))
    except DocumentError as error:
        raise NotAppliedError(f"{config}: {error}") from None
    unset = sorted(set(re.findall(r"\$\{(\w+)\}", yaml.safe_dump(document))))
    if unset:
        raise NotAppliedError(f"{config}: expected {', '.join(unset)} in the environment; found them unset")
    for part in ("registry", "online_store"):
        if not isinstance(document, dict) or not isinstance(document.get(part), dict):
            raise NotAppliedError(f"{config}: {part}: expected a mapping of keys; found none")
    if not isinstance(document["registry"].get("path"), str):
        raise NotAppliedError(f"{config}: registry.path: expected an address; found none")
    _embed(document, (state / "feast") if state else None, config.parent.resolve())
    return document


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
        file.parent.mkdir(parents=True, exist_ok=True)
        registry["path"] = sqlite_address(file)
        _use_write_ahead_log(file)
    if "path" in online:
        file = (folder / "online.db") if folder else beside / online["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        online["path"] = str(file.resolve())
        _use_write_ahead_log(file)


def _use_write_ahead_log(database: Path) -> None:
    """Switch a database permanently to a write-ahead log, so that an endpoint can read during a push or materialize.

    In SQLite's default mode a reader waits for the whole batch and times out after five seconds.
    """
    connection = sqlite3.connect(database)
    with contextlib.closing(connection):
        connection.execute("PRAGMA journal_mode=WAL")
