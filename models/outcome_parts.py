"""Stored outcomes: Parquet parts by product and by the day (UTC) on which they were received.

``<storage>/outcomes/<product>/day=<YYYY-MM-DD>/<part>.parquet`` has the columns of ``Outcome``, received on that day
or, if they were pushed, not after it. A part is written whole or not at all, and never changed, but for a member that
is forgotten.
"""

import io
from collections import defaultdict
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from models import storage
from models.files import sha256_of_json
from models.time_units import moment

if TYPE_CHECKING:
    import pyarrow as pa


class Outcome(NamedTuple):
    """What became of one served impression in one task. Times are int64 microseconds UTC."""

    impression: str
    """The id in the response (``models.impression_ids``)."""
    task: str
    """A task of the spec."""
    value: int
    """1 or 0."""
    happened: int
    """When it happened, by the clock of whoever saw it."""
    received: int
    """When it reached us. Of several outcomes of one impression and task, the first received counts."""


FOLDER = "outcomes"
"""The folder of all products' outcomes in storage; beside a served log, that of an endpoint's new ones."""
_READERS = 16


def address_of(store: str, product: str) -> str:
    """The address of a product's outcomes. ``store``: that of what outlives a run."""
    return storage.join(store, FOLDER, product)


def write(address: str, name: str, outcomes: Iterable[Outcome]) -> int:
    """Write outcomes as the parts of this name, one for each day; return how many. Raises OSError."""
    days: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        days[day_of(one.received)].append(one)
    return sum(_write_part(address, day, name, rows) for day, rows in days.items())


def push(address: str, outcomes: list[Outcome]) -> int:
    """Store the outcomes of one file; return how many are new: none where the same ones were pushed before.

    They are one part, under the day of the last received one, so that it is there whole or not at all.
    Raises OSError; pushed again after that, or after a kill, nothing is stored twice and nothing is missing.
    """
    rows = [one[:-1] for one in outcomes]
    name = f"push-{sha256_of_json({'rows': rows})[:32]}"
    known = {path.rpartition("/")[2] for path in parts(address)}
    if not outcomes or f"{name}.parquet" in known:
        return 0
    return _write_part(address, day_of(max(one.received for one in outcomes)), name, outcomes)


def parts(address: str, first: str = "") -> list[str]:
    """The addresses of the parts from a day on, sorted: all outcomes received since it began are in them.

    None where there is no such folder. Raises OSError.
    """
    try:
        found = storage.files_below(address)
    except FileNotFoundError:
        return []
    paths = [path for path in found if path.endswith(".parquet") and path.startswith("day=")]
    return [storage.join(address, path) for path in paths if path[4:14] >= first]


def erase(address: str, impressions: Collection[str], dry_run: bool = False) -> dict[str, int]:
    """Erase the outcomes of these impressions; return how many, by part, of the parts that have some.

    Raises OSError. What comes later for one of them names no member.
    """
    if not impressions:
        return {}
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    ids = pa.array(list(impressions), pa.string())

    def erased(part: str) -> int:
        rows = 0

        def without(content: bytes) -> bytes | None:
            nonlocal rows
            table = pq.read_table(io.BytesIO(content), partitioning=None)
            own = pc.is_in(table["impression"], value_set=ids)
            rows = pc.sum(own).as_py() or 0
            if not rows or dry_run:
                return None
            return _parquet(table.filter(pc.invert(own))) if rows < table.num_rows else b""

        storage.change_file(part, without)
        return rows

    every = parts(address)
    with ThreadPoolExecutor(_READERS) as pool:
        counts = pool.map(erased, every)
    return {part.removeprefix(address).lstrip("/"): rows for part, rows in zip(every, counts, strict=True) if rows}


def day_of(time: int) -> str:
    """The day (UTC) of a time in microseconds."""
    return moment(time).date().isoformat()


def _write_part(address: str, day: str, name: str, outcomes: list[Outcome]) -> int:
    import pyarrow as pa

    table = pa.Table.from_pylist([one._asdict() for one in outcomes], _schema())
    storage.write_bytes(storage.join(address, f"day={day}", f"{name}.parquet"), _parquet(table))
    return len(outcomes)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    names = {"impression": pa.string(), "task": pa.string(), "value": pa.int8()}
    return pa.schema({**names, "happened": pa.int64(), "received": pa.int64()})


def _parquet(table: "pa.Table") -> bytes:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()
