"""MLflow databases without runs, as copies of one: MLflow needs more than a second of migrations to make one."""

import tempfile
from functools import cache
from pathlib import Path

from models.addresses import sqlite_address
from serving.versions.registry import Registry


def add_database(state: Path) -> None:
    """Add a database to a state folder, where ``Services.embedded`` and the commands expect it."""
    file = state / "mlflow" / "mlflow.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(_made())


@cache
def _made() -> bytes:
    """A database as MLflow makes it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        assert Registry(sqlite_address(file)).names() == []
        return file.read_bytes()
