"""Joined rows against the profile of the version that served most of them."""

from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from monitoring.profiles import compared_with


class Profile:
    """A profile from which every column is as far as its version says."""

    columns = SimpleNamespace(columns={"hour": {}})
    digest = "of the columns"

    def __init__(self, version: str) -> None:
        self.version = version

    def profile(self, rows: pa.Table, names: list[str]) -> list[str]:
        return names

    def figures(self) -> dict[str, Any]:
        return {"limits": {}}

    def compare(self, names: list[str]) -> dict[str, Any]:
        return {name: SimpleNamespace(to_json=lambda: {"psi": self.version}) for name in names}


def rows(*versions: str | None, fallback: bool | None = False) -> pa.Table:
    served = {"fallback": pa.array([fallback] * len(versions), pa.bool_()), "hour": [1.0] * len(versions)}
    return pa.table({**served, "model_version": pa.array(versions, pa.string())})


def test_rows_are_compared_with_the_version_that_has_most_of_them() -> None:
    asked: list[str] = []

    def profile(version: str) -> Any:
        asked.append(version)
        return None if version == "removed" else Profile(version)

    compare = compared_with(profile)
    found = compare(rows("1", "2", "2", None, None, None))
    assert found == {
        "version": "2",
        "digest": "of the columns",
        "columns": {"hour": {"psi": "2"}},
        "limits": {},
    }
    assert compare(rows("1", "2", "1")) == {**found, "version": "1", "columns": {"hour": {"psi": "1"}}}
    assert compare(rows("2", fallback=None)) == found
    assert compare(rows("2", fallback=True)) == {**found, "columns": {}}
    assert asked == ["2", "1"]  # once each
    assert compare(rows("removed")) == compare(rows()) == compare(rows(None)) == {}
