"""A member's rows in pushed views, kept rows of raw files and tables, and its key in what monitoring keeps."""

import io
import json
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.applied import Applied
from feature_repo.forgotten import member_columns
from feature_repo.sources.files import read_kept, write_kept
from feature_repo.views.pushed import packed
from models.files import replaced_file
from models.storage import change_file, download_file, file_system, is_remote, join, names, remove, write_bytes

ERASED = "erased"
"""What stands for an erased member's key."""


def erase_pushed(applied: Applied, member: int | str, dry_run: bool) -> dict[str, int]:
    """Erase the member's rows from the files of pushed views; return how many, by file."""
    key = applied.spec.nodes[applied.spec.impressions.member.node].key
    erased: dict[str, int] = {}
    for name in names(applied.pushed):
        if not name.endswith(".parquet"):
            continue
        system, path = file_system(join(applied.pushed, name))
        if key not in pq.read_schema(path, filesystem=system).names:
            continue

        def without(content: bytes, name: str = name) -> bytes | None:
            table = pq.read_table(io.BytesIO(content))
            left = _without(table, [key], member)
            erased[name] = table.num_rows - left.num_rows
            return packed(left) if erased[name] and not dry_run else None

        change_file(join(applied.pushed, name), without)  # a push does not wait for us
    return erased


def erase_kept(address: str, member: int | str, dry_run: bool) -> dict[str, int]:
    """Erase the member's rows from the kept rows of raw files; return how many, by file.

    A file that does not say which of its columns name members, of an earlier release, is removed if any column holds
    the key: the next ingest reads its raw file again. So is a damaged one.
    """
    erased: dict[str, int] = {}
    for name in names(address):
        if not name.endswith(".parquet") or name.startswith("."):
            continue
        with tempfile.TemporaryDirectory() if is_remote(address) else nullcontext(address) as folder:
            file = Path(folder.removeprefix("file://")) / name
            if is_remote(address):
                with suppress(FileNotFoundError):  # an ingest has removed it meanwhile
                    download_file(join(address, name), file)
            rows = _erase_kept(file, join(address, name), member, dry_run)
        if rows:
            erased[name] = rows
    return erased


def _erase_kept(file: Path, address: str, member: int | str, dry_run: bool) -> int:
    try:
        table, columns = read_kept(file)
    except (pa.ArrowException, OSError):
        if not dry_run:
            remove(address)
        return 0
    left = _without(table, table.column_names if columns is None else columns, member)
    rows = int(table.num_rows - left.num_rows)
    if not rows or dry_run:
        return rows
    if columns is None:
        remove(address)
        return rows
    with replaced_file(file) as draft:
        write_kept(draft, left, columns)
    if is_remote(address):
        write_bytes(address, file.read_bytes())
    return rows


def erase_monitored(address: str, member: int | str, dry_run: bool) -> dict[str, int]:
    """Put "erased" for the member's key in summaries, verdicts and report of monitoring; return how often, by file.

    They name it where it has most rows of a day. Their page goes with the report: the next run writes it. Files that
    are not JSON are left to monitoring, which names them.
    """
    erased: dict[str, int] = {}
    for folder in ("days", "verdicts", ""):
        place = join(address, folder) if folder else address
        for name in (one for one in names(place) if one.endswith(".json")):

            def without(content: bytes, path: str = f"{folder}/{name}".lstrip("/")) -> bytes | None:
                with suppress(ValueError):
                    document = json.loads(content)
                    erased[path] = _put_erased(document, str(member))
                    return json.dumps(document, indent=1).encode() if erased[path] and not dry_run else None
                return None

            change_file(join(place, name), without)
    if erased.get("report.json") and not dry_run:
        remove(join(address, "monitoring.html"))
    return erased


def _put_erased(value: Any, member: str) -> int:
    """Replace the key wherever a document names the most frequent member; return how often."""
    if isinstance(value, list):
        return sum(_put_erased(one, member) for one in value)
    if not isinstance(value, dict):
        return 0
    found, most = 0, value.get("member")
    if isinstance(most, dict) and str(most.get("most")) == member:
        most["most"], found = ERASED, 1
    if value.get("cause") == "traffic.member" and value.get("subject") == member:
        text = str(value.get("text", "")).replace(f"member {member} ", f"member {ERASED} ")
        value["subject"], value["text"], found = ERASED, text, found + 1
    return found + sum(_put_erased(one, member) for one in value.values())


def rows_in_tables(applied: Applied, member: int | str) -> dict[str, int]:
    """How many rows of the applied canonical tables name the member, by table; tables that are gone have none."""
    found: dict[str, int] = {}
    for name in (one.removesuffix(".parquet") for one in names(applied.tables) if one.endswith(".parquet")):
        columns = member_columns(applied.spec, name)
        if not columns:
            continue
        system, path = file_system(join(applied.tables, f"{name}.parquet"))
        table = pq.read_table(path, columns=columns, filesystem=system)
        found[name] = table.num_rows - _without(table, columns, member).num_rows
    return {name: rows for name, rows in found.items() if rows}


def _without(table: pa.Table, columns: list[str], member: int | str) -> pa.Table:
    """The rows in which none of these columns holds the key."""
    gone: Any = None
    for name in columns:
        kind = table.schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
            continue
        try:
            values = pa.array([member], kind)
        except (pa.ArrowException, OverflowError):
            continue  # a column of another type cannot hold it
        named = pc.is_in(table[name], value_set=values)
        gone = named if gone is None else pc.or_(gone, named)
    return table if gone is None else table.filter(pc.invert(gone))
