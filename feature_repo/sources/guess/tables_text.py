"""The guess as lines of YAML: the tables of the spec, with a comment wherever something was assumed."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from feature_repo.sources.declared.rows import FILL_IN
from feature_repo.sources.guess.columns import Written, canonical, features
from feature_repo.sources.guess.look import Looked, Table, quoted, raw_name, words_of
from feature_repo.sources.guess.roles import Roles

_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_VALID = re.compile(
    r"^(ts|time|timestamp|date|datetime)$|(^|_)(created|since|valid|publish|regist|join|signup|sign_up|added|list(ed|ing)|"
    r"launch|introduc|issued|posted|opened|start|from|upload|release|updated)",
    re.IGNORECASE,
)
_ENDS = re.compile(r"(^|_)(to|until|till|end|ends|ended|expires?|expired)(_|$)", re.IGNORECASE)


@dataclass
class Names:
    """Names of the canonical columns, and what the user is told."""

    member: str
    item: str
    positive: str
    others: list[str]
    """Further outcomes."""
    tasks: list[str]
    """Those of them with 0 and 1."""
    surfaces: list[str]
    views: dict[str, list[Written]] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    """Assumptions, one sentence each."""


def text(value: str) -> str:
    """A text as YAML."""
    plain = re.fullmatch(r"[A-Za-z_][\w.]*", value, re.ASCII) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def block(name: str, entries: Mapping[str, str], comments: Mapping[str, str] | None = None) -> Iterable[str]:
    """A mapping in a table."""
    if entries:
        yield f"      {name}:"
        for key, value in entries.items():
            comment = (comments or {}).get(key, "")
            yield f"        {key}: {value}" + (f"  # {comment}" if comment else "")


def impressions(roles: Roles, names: Names) -> Iterable[str]:
    """The table of what was shown."""
    shown, taken = roles.shown, {"impression_id", "time", "settled_time", "surface"}
    columns: dict[str, str] = {}
    comments: dict[str, str] = {}
    parts = [roles.member, roles.item, roles.time]
    if roles.key:
        columns["impression_id"] = text(raw_name(roles.key))
    else:
        columns["impression_id"] = text(f"concat_ws('-', {', '.join(map(quoted, parts))})")
        comments["impression_id"] = "no column is unique"
    columns["time"] = text(_raw(roles.time))
    for name, raw in ((names.member, roles.member), (names.item, roles.item)):
        columns[name] = text(_raw(raw))
        taken.add(name.lower())
    columns["surface"] = text(raw_name(roles.surface.name)) if roles.surface else text("'all'")
    if not roles.surface:
        comments["surface"] = "no column says where it was shown"
    columns[names.positive] = text(FILL_IN if roles.positive == FILL_IN else raw_name(roles.positive))
    taken.add(names.positive.lower())
    names.tasks += [one for one in (_outcome(names, columns, raw, taken) for raw in roles.others) if one]
    known = {*parts, roles.settled, roles.key, roles.positive, *roles.others, roles.surface and roles.surface.name}
    for column in shown.columns.values():
        if column.name in known or column.distinct <= 1 or column.kind in ("vector", "list", "other"):
            continue
        if column.timed or column.key_name:
            continue
        name = _outcome(names, columns, column.name, taken)
        comments[name] = "known when it is shown? Then move it from impressions.outcomes to impressions.context"
    if roles.settled:
        columns["settled_time"] = text(raw_name(roles.settled))
    yield from head("impressions", shown)
    yield from block("columns", columns, comments)
    times = {"time": roles.time, **({"settled_time": roles.settled} if roles.settled else {})}
    yield from block("times", _times(shown, times, names))
    yield from _where(shown, [*parts, *([roles.positive] if roles.positive != FILL_IN else [])], names)
    if not roles.key:
        last = "settled_time" if roles.settled else "time"
        yield f"      once: {{key: [impression_id], last: {last}}}"
    if not roles.settled:
        names.assumed.append(
            "impressions.settled: no column says when an outcome was known: 30 minutes after the impression"
        )
        yield "      derived:"
        yield "        settled_time: time + INTERVAL 30 MINUTE  # assumed: no column says when the outcome was known"


def _outcome(names: Names, columns: dict[str, str], raw: str, taken: set[str]) -> str:
    name = canonical(raw, taken)
    columns[name] = text(raw_name(raw))
    names.others.append(name)
    return name


def nodes(
    role: str, table: Table, key: str, name: str, names: Names, first_year: int, taken: set[str]
) -> Iterable[str]:
    """A table of members or items."""
    written = features(table, key, taken)
    names.views[role] = written
    valid = [column for column in table.times if column.missing == 0 and _begins(column.name)]
    columns = {name: text(raw_name(key))}
    comments: dict[str, str] = {}
    if valid:
        columns["valid_from"] = text(raw_name(valid[0].name))
        comments["valid_from"] = "from when on the row was known"
    else:
        columns["valid_from"] = text(f"TIMESTAMPTZ '{first_year - 1}-01-01 00:00:00+00'")
        dates = f"no date but {', '.join(one.name for one in table.times)}" if table.times else "no date"
        comments["valid_from"] = f"assumed: the rows have {dates}, so they count as known from the start"
        names.assumed.append(
            f"source.tables.{role}.columns.valid_from: {table.files} has {dates}, so its rows count as known from the "
            "start: a column that changed since then may tell the future"
        )
    for one in written:
        if one.kind:
            columns[one.name] = text(one.raw)
    yield from head(role, table)
    yield from block("columns", columns, comments)
    for one in written:
        if not one.kind:
            yield f"        # {one.name}: {text(one.raw)}  # left out: {one.comment}"
    yield from block("times", _times(table, {"valid_from": valid[0].name} if valid else {}, names))
    yield from _where(table, [key], names)
    if not table.columns[key].unique:
        yield f"      once: {{key: [{name}, valid_from], last: valid_from}}"


def _begins(name: str) -> bool:
    """Whether a time is named like the one from which on a row was known."""
    return bool(_VALID.search(words_of(name))) and not _ENDS.search(words_of(name))


def events(name: str, table: Table, columns: Mapping[str, str], names: Names) -> Iterable[str]:
    """A table of further events; ``columns``: canonical -> raw."""
    yield from head(name, table)
    yield from block("columns", {key: text(raw_name(raw)) for key, raw in columns.items()})
    yield from block("times", _times(table, {"time": columns["time"]}, names))
    yield from _where(table, list(columns.values()), names)


def head(name: str, table: Table) -> Iterable[str]:
    """The first lines of a table."""
    yield f"    {name}:"
    yield f"      files: {text(table.files)}"
    if table.delimiter != ",":
        yield f"      delimiter: {json.dumps(table.delimiter)}"


def _raw(name: str) -> str:
    return FILL_IN if name == FILL_IN else raw_name(name)


def _times(table: Table, columns: Mapping[str, str], names: Names) -> dict[str, str]:
    found = {}
    for name, raw in columns.items():
        column = table.columns.get(raw)
        if column is None:
            continue
        if column.unit:
            found[name] = f"{{unit: {column.unit}}}"
        elif column.kind == "naive":
            written = f"format: {json.dumps(column.format)}, " if column.format else ""
            found[name] = f"{{{written}timezone: UTC}}  # assumed: the values name no zone"
            names.assumed.append(f"{table.files}, column {raw}: the values name no zone: UTC")
    return found


def _where(table: Table, columns: Iterable[str], names: Names) -> Iterable[str]:
    missing: list[Looked] = [
        table.columns[raw] for raw in columns if raw in table.columns and table.columns[raw].missing
    ]
    if missing:
        condition = " AND ".join(f"{quoted(column.name)} IS NOT NULL" for column in missing)
        yield f"      where: {text(condition)}  # rows without are left out"
        names.assumed += [f"{table.files}: {one.missing:,} rows without {one.name} are left out" for one in missing]
