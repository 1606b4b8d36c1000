"""Which table holds the impressions, members and items, and which columns are their keys, times and outcomes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from feature_repo.sources.declared.rows import FILL_IN
from feature_repo.sources.guess.look import Looked, Table, overlap, quoted, words_of
from feature_repo.sources.guess.moments import never_before
from models.sql import literal

_MEMBER = re.compile(
    r"user|member|customer|visitor|reader|shopper|listener|learner|person|client|account|viewer|subscriber|player|buyer",
    re.I,
)
_ITEM = re.compile(
    r"item|product|article|video|post|content|job|movie|film|book|song|track|doc|news|sku|asin|listing|notification|"
    r"message|recipe|restaurant|business|offer|course|app|game|ad$|ad_",
    re.I,
)
_SHOWN = re.compile(r"impression|exposure|view|log|event|interaction|shown|served|session|click|rating|feed", re.I)
_OUTCOME = re.compile(
    r"click|like|engag|open|convert|purchas|bought|buy|watch|play|read|follow|label|target|convers", re.I
)
_SURFACE = re.compile(
    r"^(surface|placement|channel|place|page|tab|slot|feed|screen|zone|widget|where)(_?(id|name|type))?$", re.I
)
_SETTLED = re.compile(r"(^|_)(settled|end|ends|ended|left|leave|closed?|finish|finished|until)(_|$)", re.I)
_FIRST = re.compile(r"shown|impress|view|^ts$|^time|timestamp|event|start", re.I)


@dataclass
class Question:
    """Something that could not be decided."""

    key: str
    """Of the spec."""
    words: str
    """What is asked."""
    candidates: list[str]


@dataclass
class Roles:
    """The guess."""

    shown: Table
    member: str
    item: str
    time: str
    settled: str | None
    surface: Looked | None
    key: str | None
    """A unique column of the impressions."""
    positive: str
    """The outcome that is predicted."""
    others: list[str]
    """Further outcomes with 0 or 1."""
    members: tuple[Table, str] | None
    """The table of the members, and its key."""
    items: tuple[Table, str] | None
    edges: list[tuple[Table, str, str, str]] = field(default_factory=list)
    """Further events: (table, member's column, item's column, time)."""
    unused: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def roles(tables: Sequence[Table]) -> Roles | None:
    """The guess; None if no table could hold impressions: one with a time and two columns of keys."""
    likely = {table.name: _likely(table, tables) for table in tables}
    ranked = sorted(tables, key=lambda table: likely[table.name], reverse=True)
    shown = ranked[0]
    if likely[shown.name][0] < 1:
        return None
    questions: list[Question] = []
    alike = [table.name for table in ranked[1:] if likely[table.name][:2] == likely[shown.name][:2]]
    if alike:
        questions.append(
            Question(
                "impressions.table", f"{shown.name} was taken as the table of what was shown", [shown.name, *alike]
            )
        )
    keys = _keys(shown, tables)
    member = _one(keys, _MEMBER, [table for table in tables if table is not shown])
    item = _one([key for key in keys if key.name != member], _ITEM, [table for table in tables if table is not shown])
    for role, key_column in (("member", member), ("item", item)):
        if key_column == FILL_IN:
            words = "who saw it" if role == "member" else "what was shown"
            questions.append(Question(f"impressions.{role}.column", words, [key.name for key in keys]))
    time, settled = _times(shown, questions)
    surface = next((column for column in shown.columns.values() if _is_surface(column)), None)
    used = {member, item, time, settled, surface.name if surface else None}
    key = next((key.name for key in keys if key.unique and key.name not in used and key.key_name), None)
    used.add(key)
    yes = [column.name for column in shown.columns.values() if column.binary and column.distinct == 2]
    positive = _positive(shown, yes, used, questions)
    found = Roles(
        shown,
        member,
        item,
        time,
        settled,
        surface,
        key,
        positive,
        [name for name in yes if name != positive],
        None,
        None,
        questions=questions,
    )
    _place(found, [table for table in tables if table is not shown])
    return found


def _likely(table: Table, tables: Sequence[Table]) -> tuple[int, int, int]:
    """How likely a table holds impressions; the first number is 0 if it cannot."""
    keys = _keys(table, tables)
    events = [key for key in keys if not key.unique]
    possible = bool(table.times) and len(events) >= 2
    binary = any(column.binary and column.distinct == 2 for column in table.columns.values())
    named = sum(any(pattern.search(key.name) for key in events) for pattern in (_MEMBER, _ITEM))
    return (
        int(possible) + int(possible and binary),
        named + bool(_SHOWN.search(table.name)),
        table.rows.num_rows,
    )


def _keys(table: Table, tables: Sequence[Table]) -> list[Looked]:
    """Columns that are named like keys, or like a member or an item, or like a unique column of another table."""
    unique = {
        column.name for other in tables if other is not table for column in other.columns.values() if column.unique
    }
    named = [
        column
        for column in table.columns.values()
        if column.keyed
        and (column.key_name or _MEMBER.fullmatch(column.name) or _ITEM.fullmatch(column.name) or column.name in unique)
    ]
    return named


def _one(keys: Sequence[Looked], pattern: re.Pattern[str], others: Iterable[Table]) -> str:
    """The key that is named like a member or an item; else the one that a table of that name has."""
    found = [key.name for key in keys if pattern.search(key.name) and not key.unique]
    if not found:
        for table in others:
            if pattern.search(table.name):
                found += [key.name for key in keys if key.name in table.columns and table.columns[key.name].unique]
    found = list(dict.fromkeys(found))
    if len(found) > 1:  # user_id rather than user_session_id
        short = min(found, key=len)
        found = [short] if all(len(other) > len(short) for other in found if other != short) else found
    return found[0] if len(found) == 1 else FILL_IN


def _times(shown: Table, questions: list[Question]) -> tuple[str, str | None]:
    names = [column.name for column in shown.times if column.missing == 0] or [column.name for column in shown.times]
    if len(names) == 1:
        return names[0], None
    settled = [name for name in names if _SETTLED.search(words_of(name))]
    first = [name for name in names if name not in settled]
    likely = [name for name in first if _FIRST.search(name)] or first
    if len(likely) != 1:
        questions.append(Question("impressions.time", "when it was shown", names))
        return FILL_IN, None
    settled = [name for name in settled if never_before(shown, name, likely[0])]
    return likely[0], settled[0] if len(settled) == 1 else None


def _is_surface(column: Looked) -> bool:
    return bool(_SURFACE.search(column.name)) and column.missing == 0 and 1 <= column.distinct <= 40


def _positive(shown: Table, yes: list[str], used: set[str | None], questions: list[Question]) -> str:
    """The outcome to predict."""
    named = [name for name in yes if _OUTCOME.search(name)]
    if len(named) > 1 and (clicks := [name for name in named if "click" in name.lower()]):
        named = clicks[:1]
    found = named or yes
    if len(found) == 1:
        return found[0]
    if found:
        questions.append(Question("tasks", "which outcome is predicted", found))
        return FILL_IN
    candidates = []
    for column in shown.columns.values():
        if column.name not in used and 1 < column.distinct <= 20:
            if column.kind == "text":
                candidates += [f"{quoted(column.name)} = {literal(str(value))}" for value in column.values]
            elif column.kind in ("whole", "number"):
                number = f"CAST({quoted(column.name)} AS DOUBLE)"
                candidates += [f"{number} >= {value}" for value in column.values[len(column.values) // 2 :]]
        elif column.name not in used and column.kind in ("whole", "number") and column.values[:1] == (0,):
            candidates.append(f"CAST({quoted(column.name)} AS DOUBLE) > 0")
    words = (
        "no column has 0 and 1: an expression that is true where the member liked what was shown; or '1', with "
        "impressions.sample_negatives, where the table has only what was chosen"
    )
    questions.append(Question("source.tables.impressions.columns.positive", words, candidates))
    return FILL_IN


def _place(found: Roles, others: Sequence[Table]) -> None:
    """Give every other table its place: members, items, further events, or none."""
    for table in sorted(others, key=lambda one: not any(column.unique for column in one.columns.values())):
        owner = _owner(found, table)  # a table with one row for each before one of versions
        if owner is not None:
            role, key = owner
            if getattr(found, role) is None:
                setattr(found, role, (table, key))
                continue
        member, item = _like(found, table, found.member), _like(found, table, found.item)
        time = next((column.name for column in table.times), None)
        if member and item and time:
            found.edges.append((table, member, item, time))
        else:
            found.unused.append(table.name)


def _owner(found: Roles, table: Table) -> tuple[str, str] | None:
    """Whether a table has one row (or dated versions) for each member or item: (role, key)."""
    for role, column in (("members", found.member), ("items", found.item)):
        key = _like(found, table, column)
        if key is None:
            continue
        other = found.item if role == "members" else found.member
        versions = table.times and table.distinct(key, table.times[0].name) == table.rows.num_rows
        if table.columns[key].unique or (versions and not _like(found, table, other)):
            return role, key
    return None


def _like(found: Roles, table: Table, column: str) -> str | None:
    """The column of a table that holds the keys of a column of the impressions."""
    if column == FILL_IN:
        return None
    ours = found.shown.rows[column]
    kind = found.shown.columns[column].kind
    shares = {
        one.name: overlap(ours, table.rows[one.name]) + (one.name == column)
        for one in table.columns.values()
        if one.kind == kind and (one.key_name or one.name == column or one.unique) and not one.timed
    }
    other = found.item if column == found.member else found.member
    shares.pop(other, None)  # named like the other's keys
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= 0.5 else None
