"""For tests of what is derived: a spec with a bit of everything, and relations whose edges are written by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from models.graph.engine import Connection, Engine
from models.graph.engines.duckdb import DuckDB
from models.spec import Spec
from tests.factories import specs
from tests.models.graph.product import DOCUMENT

Event = tuple[int, int, int]
"""Source, target, time."""


def document() -> dict[str, Any]:
    """The tiny product with a creation edge, an edge among members and every derived part."""
    spec = DOCUMENT
    walked = {"kind": "intrinsic", "time": "time", "fan_out": [2, 0]}
    item, creator = {"node": "item", "column": "item_id"}, {"node": "creator", "column": "creator_id"}
    member = {"node": "member", "column": "member_id"}
    return {
        **spec,
        "edges": {
            **spec["edges"],
            "made_by": {**walked, "table": "made", "source": item, "target": creator, "domain": "push"},
            "knows": {
                **walked,
                **{"table": "knows", "source": member, "target": {**member, "column": "other_id"}, "domain": "feed"},
                **{"kind": "affinity", "weigh_by": "common_neighbours"},
            },
        },
        "affinities": {
            "fan_of": {
                **{"engagement": "clicked", "creation": "made_by", "at_least": 2, "within_days": 1},
                **{"fan_out": [2, 1], "window_days": 3, "strategy": "weighted"},
            }
        },
        "densification": {
            "alike": {"node": "item", "feature": "topics", "degree_of": "clicked", "fan_out": [3, 0], "neighbours": 2}
        },
        "pageranks": {
            "near": {"source": "member", "target": "item", "fan_out": 4, "method": "push", "epsilon": 0.01},
            "circle": {"source": "member", "target": "member", "edges": ["knows"]},
        },
    }


def spec(**changes: Any) -> Spec:
    """The spec with some of its keys replaced."""
    return specs.spec_of({**document(), **changes})


@dataclass
class HandWritten:
    """What deriving needs of a build."""

    connection: Connection
    scratch: Path

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """(source, target, time, weight) of relation ``edge_<name>`` in the order of ``row``, which is unique."""
        table = self.connection.fetch(f'SELECT source, target, time, weight, row FROM "edge_{name}" ORDER BY row')
        assert table.schema.field("source").type == table.schema.field("target").type == pa.int32()
        assert table["row"].to_pylist() == sorted(set(table["row"].to_pylist()))
        return list(zip(*(column.to_pylist() for column in table.columns[:4]), strict=True))


@contextmanager
def relations(
    edges: dict[str, list[Event]], versions: dict[str, pa.Table] | None = None, engine: Engine | None = None
) -> Iterator[HandWritten]:
    """Relations ``edge_<name>``, each event once, of weight 1, and ``version_<node>``."""
    with TemporaryDirectory() as folder, (engine or DuckDB(threads=1)).connect(Path(folder)) as connection:
        for name, events in edges.items():
            rows = [(*event, row) for row, event in enumerate(dict.fromkeys(events))]
            values = ", ".join(map(str, rows or [(0, 0, 0, -1)]))
            types = {"source": "INTEGER", "target": "INTEGER", "time": "BIGINT", "row": "BIGINT"}
            columns = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in types.items())
            connection.create(
                f"edge_{name}",
                f"SELECT {columns}, CAST(1 AS FLOAT) AS weight "
                f"FROM (VALUES {values}) AS given(source, target, time, row) WHERE row >= 0",
            )
        for node, table in (versions or {}).items():
            path = Path(folder) / f"{node}.parquet"
            parquet.write_table(table, path)
            connection.register(f"given_{node}", path)
            connection.create(f"version_{node}", f'SELECT {", ".join(table.column_names)} FROM "given_{node}"')
        yield HandWritten(connection, Path(folder))
