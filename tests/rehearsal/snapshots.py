"""What the services hold at a moment, as digests: online rows, Feast's registry, versions in MLflow."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from feature_repo.packed import keys

NOTES = keys.NOTES.encode()


def online(client: Any, project: str) -> dict[bytes, str]:
    """The digest of every online row of a Feast project, by key; a key begins with the project and a zero byte."""
    prefix = project.encode() + b"\0"
    keys = sorted(key for key in client.scan_iter(match=_escaped(prefix) + b"*", count=5000))
    values = [value for start in range(0, len(keys), 5000) for value in client.mget(keys[start : start + 5000])]
    return {key: hashlib.sha256(value or b"").hexdigest() for key, value in zip(keys, values, strict=True)}


def being_written(client: Any, project: str) -> bool:
    """Whether a push writes a slot of vectors just now."""
    key = keys.row_key(project, keys.NOTES, ["slots"])
    return any(slot["writer"] for slot in json.loads(client.get(key) or b"{}").values())


def view_of(key: bytes) -> str:
    """The view that a key's row belongs to."""
    return key.split(b"\0", 2)[1].decode()


def of_views(rows: Mapping[bytes, str], *views: str) -> dict[bytes, str]:
    """The rows of these views."""
    return {key: digest for key, digest in rows.items() if view_of(key) in views}


def without_notes(rows: Mapping[bytes, str]) -> dict[bytes, str]:
    """The rows of views alone: a pipeline that writes keeps its lease in the notes."""
    return {key: digest for key, digest in rows.items() if view_of(key).encode() != NOTES}


def definitions(address: str, project: str) -> dict[str, str]:
    """The digest of a project's rows in each table of Feast's registry; ``address``: that of SQLAlchemy."""
    import psycopg

    found = {}
    with psycopg.connect(address.replace("+psycopg", "", 1)) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'project_id' "
            "AND table_schema = 'public' ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT t::text FROM "{table}" t WHERE project_id = %s ORDER BY 1', [project])
            found[table] = hashlib.sha256(repr(rows.fetchall()).encode()).hexdigest()
    return found


def versions(tracking: str, name: str) -> dict[str, Any]:
    """A model's versions with their tags, and its aliases, by MLflow's REST interface."""
    found = _get(tracking, "model-versions/search", filter=f"name = '{name}'", max_results="1000")
    model = _get(tracking, "registered-models/get", name=name)["registered_model"]
    tags = {one["version"]: _pairs(one.get("tags", []), "key", "value") for one in found.get("model_versions", [])}
    return {"aliases": _pairs(model.get("aliases", []), "alias", "version"), "versions": tags}


def _get(tracking: str, call: str, **given: str) -> dict[str, Any]:
    with urlopen(f"{tracking}/api/2.0/mlflow/{call}?{urlencode(given)}", timeout=30) as response:
        document: dict[str, Any] = json.loads(response.read())
    return document


def _pairs(entries: list[dict[str, str]], key: str, value: str) -> dict[str, str]:
    return {one[key]: one.get(value, "") for one in entries}


def changed(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> list[Any]:
    """The keys whose value is another, or that are only in one of the two."""
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _escaped(prefix: bytes) -> bytes:
    """A prefix without the characters that a pattern of Redis gives a meaning to."""
    return b"".join(b"\\" + bytes([one]) if bytes([one]) in b"*?[]\\^-" else bytes([one]) for one in prefix)
