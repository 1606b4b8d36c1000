"""The guess as a whole spec in YAML."""

import re
from collections.abc import Iterable
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.sources.declared.rows import FILL_IN
from feature_repo.sources.guess.columns import canonical
from feature_repo.sources.guess.look import Table
from feature_repo.sources.guess.moments import moments
from feature_repo.sources.guess.roles import Question, Roles
from feature_repo.sources.guess.tables_text import Names, events, impressions, nodes, text
from models.clock import latest

_LONG = 62
"""Days from which the windows of the paper fit."""


def spec_text(name: str, folder: str, roles: Roles) -> tuple[str, Names]:
    """The spec as YAML, and what was assumed; adds to ``roles.questions``."""
    taken = {"impression_id", "time", "settled_time", "surface", "valid_from"}
    member = "member_id" if roles.member == FILL_IN else canonical(roles.member, taken)
    item = "item_id" if roles.item == FILL_IN else canonical(roles.item, taken)
    positive = "positive" if roles.positive == FILL_IN else canonical(roles.positive, taken)
    places = [str(value) for value in roles.surface.values] if roles.surface else ["all"]
    names = Names(member, item, positive, [], [], places)
    first, last = _days(roles)
    lines = [*_head(name, folder), *impressions(roles, names)]
    for role, owner, key in (("members", roles.members, member), ("items", roles.items, item)):
        if owner is not None:
            lines += nodes(role, owner[0], owner[1], key, names, (first or date(2001, 1, 1)).year, taken)
    for table, of_member, of_item, time in roles.edges:
        lines += events(_edge_name(table), table, {member: of_member, item: of_item, "time": time}, names)
    lines += ["", *_nodes(roles, names), "", *_edges(roles, names), "", *_shown(roles, names)]
    lines += ["", *_tasks(names), "", *_counters(), "", *_windows(first, last, roles), "", "home_domain: app", ""]
    return "\n".join([*_questions(roles), *lines]), names


def _head(name: str, folder: str) -> Iterable[str]:
    yield f"# Guessed from the tables in {folder}. Read every line once: docs/tables.md says what it means."
    yield f"name: {name}"
    yield "timezone: UTC  # days begin at midnight in this zone"
    yield ""
    yield "source:"
    yield "  adapter: tables"
    yield "  tables:"


def _questions(roles: Roles) -> Iterable[str]:
    if any(question.candidates is not None and _open(question) for question in roles.questions):
        yield f"# TO DO before it runs: write what {FILL_IN} stands for."
    for question in roles.questions:
        yield f"# {question.key}: {question.words}. Candidates: {', '.join(question.candidates) or 'none'}"


def _open(question: Question) -> bool:
    return question.key != "impressions.table"


def _edge_name(table: Table) -> str:
    return f"{table.name}_events" if table.name in ("impressions", "members", "items") else table.name


def _nodes(roles: Roles, names: Names) -> Iterable[str]:
    yield "nodes:"
    for node, role, key, raw, owner in (
        ("member", "members", names.member, roles.member, roles.members),
        ("item", "items", names.item, roles.item, roles.items),
    ):
        yield f"  {node}:"
        yield f"    key: {key}"
        if raw != FILL_IN and roles.shown.columns[raw].kind == "text":
            yield "    key_type: string"
        written = [one for one in names.views.get(role, []) if one.kind]
        if owner is not None and written:
            yield "    views:"
            yield f"      {node}_profile:"
            yield f"        table: {role}"
            yield "        features:"
            yield from (f"          {one.name}: {text(one.kind)}" for one in written)


def _edges(roles: Roles, names: Names) -> Iterable[str]:
    yield "edges:  # visible from their time on: an outcome is known only once it has settled"
    for edge, value, fan_out in (("engaged", 1, "[8, 4]"), ("passed", 0, "[4, 0]")):
        yield from _edge(edge, "impressions", names, "settled_time", fan_out)
        yield f"    filter: {{{names.positive}: [{value}]}}"
    for table, *_ in roles.edges:
        yield from _edge(_edge_name(table), _edge_name(table), names, "time", "[8, 4]")


def _edge(name: str, table: str, names: Names, time: str, fan_out: str) -> Iterable[str]:
    yield f"  {name}:"
    yield f"    table: {table}"
    yield f"    source: {{node: member, column: {names.member}}}"
    yield f"    target: {{node: item, column: {names.item}}}"
    yield f"    time: {time}"
    yield "    kind: engagement"
    yield "    domain: app"
    yield f"    fan_out: {fan_out}"


def _shown(roles: Roles, names: Names) -> Iterable[str]:
    yield "impressions:"
    yield f"  member: {{node: member, column: {names.member}}}"
    yield f"  item: {{node: item, column: {names.item}}}"
    yield f"  surfaces: [{', '.join(text(place) for place in names.surfaces)}]"
    yield "  context: {}  # columns that are known when an item is shown, as number or category"
    yield "  outcomes:  # known only afterwards, so never a feature; what could be one is here"
    yield from (f"    - {name}" for name in [names.positive, *names.others])


def _tasks(names: Names) -> Iterable[str]:
    yield "tasks:"
    yield f"  {text(_task(names.positive))}:"
    yield f"    label: {names.positive}"
    yield "    primary: true"
    for name in names.tasks:
        yield f"  # {text(_task(name))}: {{label: {name}}}  # if it is not too rare"


def _task(label: str) -> str:
    """A task is named like its label: click for is_click."""
    return re.sub(r"^(is|has|was|did)_(?=[A-Za-z])", "", label)


def _counters() -> Iterable[str]:
    yield "counters:  # how often, and with which outcomes, as of the impression"
    yield "  member_all: {keys: [member], smoothing: 5}"
    yield "  item_all: {keys: [item], smoothing: 20}"


def _windows(first: date | None, last: date | None, roles: Roles) -> Iterable[str]:
    days = (last - first).days + 1 if first and last else 0
    if first is None or last is None or days < 5:
        words = f"five days of impressions or more are needed; there are {days}"
        words = "they follow from impressions.time" if roles.time == FILL_IN else words
        roles.questions.append(Question("windows", words, []))
        first, days = first or date(2001, 1, 1), 5
    part = max(1, days // 10)
    graph = max(1, days // 4)
    lengths = {"graph": graph, "train": days - graph - 3 * part, "validate": part, "gate": part, "test": part}
    if days >= _LONG:
        lengths = {"graph": days - 27, "train": 14, "validate": 7, "gate": 3, "test": 3}
    if lengths["graph"] > 3000:
        first += timedelta(days=lengths["graph"] - 3000)
        lengths["graph"] = 3000
    yield f"windows:  # whole days; the impressions reach from {first} to {last}"
    yield f"  start: {first}"
    yield from (f"  {window}: {{days: {length}}}" for window, length in lengths.items())


def _days(roles: Roles) -> tuple[date | None, date | None]:
    """First and last day of the impressions, UTC."""
    if roles.time == FILL_IN:
        return None, None
    (found,) = (times.drop_null() for times in moments(roles.shown, roles.time))
    known = pc.less_equal(found, pa.scalar(latest(), found.type))
    found = found.filter(known) if pc.any(known).as_py() else found  # one time ahead of the clock moves no window
    if not len(found):
        return None, None
    ordered = sorted((found.to_numpy().min(), found.to_numpy().max()))
    first, last = (date.fromisoformat(str(moment)[:10]) for moment in ordered)
    return first, last
