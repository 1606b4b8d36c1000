"""Parts of the served log in object storage: Parquet by registered model, version and day (UTC).

``<address>/model=<name>/version=<version>/day=<YYYY-MM-DD>/<part>.parquet`` has the columns of ``models.served_rows``;
lists are JSON texts. Who writes a part again, with more rows, replaces it.
"""

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import orjson

from models import storage
from models.served_rows import LATEST
from models.time_units import moment

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FOLDER = "served"
"""The folder of the log, in an endpoint's folder or in the storage of the pipelines."""
_LISTS = ("adjustments", "stale")
_READERS = 16


def write(address: str, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as the parts of this name, one for each model, version and day; return how many rows.

    Rows whose time no calendar has are left out. Raises OSError, ValueError for an address that cannot be used.
    """
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in rows:
        if 0 <= one["served"] <= LATEST:
            groups[_folder(one)].append(one)
    for folder, group in groups.items():
        storage.write_bytes(storage.join(address, folder, f"{name}.parquet"), _packed(group))
    return sum(map(len, groups.values()))


def erase(address: str, member: int | str, model: str, dry_run: bool = False) -> dict[str, int]:
    """Erase a member's rows from a model's parts; return how many, by part, of the parts that have some.

    A pod that still serves writes its newest part again as it grows, with what its own files hold. Raises OSError.
    """
    found = {}
    for part in parts(address, model):
        rows = 0

        def without(content: bytes) -> bytes | None:
            nonlocal rows
            table, rows = _without(content, member)
            if not rows or dry_run:
                return None
            return _parquet(table) if table.num_rows else b""

        storage.change_file(part, without)
        if rows:
            found[part.removeprefix(address).lstrip("/")] = rows
    return found


def impressions(address: str, member: int | str, model: str) -> set[str]:
    """The ids of a member's impressions in a model's parts. Raises OSError."""
    import pyarrow.parquet as pq

    found: set[str] = set()
    for part in parts(address, model):
        rows = pq.read_table(io.BytesIO(storage.read_bytes(part)), partitioning=None, columns=["member", "impression"])
        own = (one["impression"] for one in rows.to_pylist() if _is_own(one["member"], member))
        found |= {one for one in own if one is not None}
    return found


def read(address: str, first: str = "", model: str | None = None, most: int | None = None) -> "pd.DataFrame":
    """The rows of all parts from the day ``first`` on, of one model or all; no columns where there are none.

    ``most``: parts of the newest days are read until there are so many rows. An impression that lies in two parts is
    one row. Raises OSError.
    """
    import pandas as pd

    left = sorted(parts(address, model, first), key=day_of, reverse=True)
    frames: list[pd.DataFrame] = []
    with ThreadPoolExecutor(_READERS) as pool:
        while left and (most is None or sum(map(len, frames)) < most):
            frames += pool.map(_unpacked, left[:_READERS])
            left = left[_READERS:]
    if not frames:
        return pd.DataFrame()
    frame = pd.concat(frames, ignore_index=True)
    return frame[frame["impression"].isna() | ~frame["impression"].duplicated()].reset_index(drop=True)


def _without(content: bytes, member: int | str) -> tuple["pa.Table", int]:
    """The rows of a part without a member's, and how many those are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content), partitioning=None)
    own = [_is_own(one, member) for one in table["member"].to_pylist()]
    return table.filter(pa.array([not one for one in own], pa.bool_())), sum(own)


def _is_own(found: Any, member: int | str) -> bool:
    return type(found) is type(member) and bool(found == member)


def _folder(row: Mapping[str, Any]) -> str:
    day = moment(row["served"]).date().isoformat()
    return f"model={_quoted(str(row['model']))}/version={_quoted(str(row['model_version']))}/day={day}"


def _quoted(value: str) -> str:
    return quote(value, safe="")


def parts(address: str, model: str | None, first: str = "") -> list[str]:
    """The addresses of the parts of one model, or all, from a day on; none where there is no such folder.

    Raises OSError.
    """
    place = address if model is None else storage.join(address, f"model={_quoted(model)}")
    try:
        found = storage.files_below(place)
    except FileNotFoundError:
        return []
    return [storage.join(place, path) for path in found if path.endswith(".parquet") and day_of(path) >= first]


def day_of(path: str) -> str:
    """The day in a part's path."""
    return next((unquote(part[4:]) for part in path.split("/") if part.startswith("day=")), "")


def _packed(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow as pa

    names = dict.fromkeys(name for one in rows for name in one)
    return _parquet(pa.table({name: _column(name, [one.get(name) for one in rows]) for name in names}))


def _parquet(table: "pa.Table") -> bytes:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def _column(name: str, values: list[Any]) -> "pa.Array":
    """The values; those without one type in common as JSON texts."""
    import pyarrow as pa

    if name not in _LISTS:
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([None if value is None else orjson.dumps(value).decode() for value in values], pa.string())


def _unpacked(address: str) -> "pd.DataFrame":
    import pyarrow.parquet as pq

    frame = pq.read_table(io.BytesIO(storage.read_bytes(address)), partitioning=None).to_pandas()
    for name in _LISTS:
        frame[name] = [None if value is None else orjson.loads(value) for value in frame[name]]
    return frame
