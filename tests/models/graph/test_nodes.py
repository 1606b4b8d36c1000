"""Node indices are int32: a node type has at most 2^31 - 1 keys."""

from pathlib import Path
from typing import Any

import pytest

from models.graph.errors import GraphInputError
from models.graph.nodes import write_nodes
from tests.models.graph.product import spec


class Many:
    """Keys that only have a number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


class PassedError(Exception):
    """The keys passed the check."""


class Relations:
    """Relations that are never read."""

    def select_versions(self, node: str) -> None:
        raise PassedError(node)


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (2**31 - 1, PassedError, "member"),
        (2**31, GraphInputError, "node 'member': expected at most 2147483647 keys; found 2147483648. Split the type"),
    ],
)
def test_the_number_of_keys_is_limited(tmp_path: Path, count: int, error: type[Exception], message: str) -> None:
    relations: Any = Relations()
    keys: Any = Many(count)
    with pytest.raises(error, match=message):
        write_nodes(tmp_path / "nodes.safetensors", spec(), relations, "member", keys)
