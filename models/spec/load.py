"""Reading a spec: YAML -> ``Spec``, with errors that name file, key, expected and found."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from models.spec.errors import SpecError
from models.spec.schema import Edge, Filter, Spec


def load_spec(path: str | Path) -> Spec:
    """Read and check the spec at ``path``. Raises SpecError."""
    path = Path(path)
    if not path.is_file():
        raise SpecError(str(path), "(file)", "a spec in YAML", "no such file")
    return parse_spec(path.read_text(encoding="utf-8"), str(path))


def parse_spec(text: str, file: str = "(spec)") -> Spec:
    """Read and check a spec from its text (YAML or JSON); ``file`` names it in errors. Raises SpecError."""
    try:
        document = _read(text)
    except yaml.YAMLError as error:
        raise SpecError(file, "(document)", "YAML", " ".join(str(error).split())) from error
    if not isinstance(document, dict):
        raise SpecError(file, "(document)", "a mapping of keys", type(document).__name__)
    try:
        spec = Spec.model_validate(document)
    except ValidationError as error:
        raise _first(error, file) from None
    _check_references(spec, file)
    return spec


def check_columns(spec: Spec, columns: Mapping[str, Iterable[str]], file: str = "(spec)") -> None:
    """Check every table and column that the spec names against what the adapter writes. Raises SpecError."""
    for key, table, column in _named_columns(spec):
        if table not in columns:
            raise SpecError(file, key, f"a table of the adapter ({', '.join(sorted(columns))})", repr(table))
        known = sorted(columns[table])
        if column is not None and column not in known:
            raise SpecError(file, key, f"a column of table {table} ({', '.join(known)})", repr(column))


def _read(text: str) -> Any:
    """JSON as JSON (YAML 1.1 reads its 1e-05 as a string), anything else as YAML."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_unique)
        except json.JSONDecodeError:
            pass  # a mapping in YAML's flow style
    return yaml.load(text, Loader=_UniqueKeys)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, _ in pairs:
        if [other for other, _ in pairs].count(key) > 1:
            raise yaml.YAMLError(f"key {key!r} stands twice in one mapping")
    return dict(pairs)


class _UniqueKeys(yaml.SafeLoader):
    """YAML silently keeps the last of two equal keys; a spec must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} stands twice in one mapping{node.start_mark}")
        return super().construct_mapping(node, deep)


def _first(error: ValidationError, file: str) -> SpecError:
    """The first of pydantic's findings, in our words."""
    finding = error.errors()[0]
    key = ".".join(str(part) for part in finding["loc"]) or "(document)"
    found = repr(finding.get("input"))
    if len(found) > 120:
        found = found[:117] + "..."
    if finding["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return SpecError(file, key, "a key that the schema knows", f"unknown key {str(finding['loc'][-1])!r}")
    if finding["type"] in ("missing", "missing_argument"):
        return SpecError(file, key, "this key", "nothing")
    message = finding["msg"].removeprefix("Value error, ")
    if message.startswith("expected ") and "; found " in message:
        expected, found = message.removeprefix("expected ").split("; found ", 1)
        return SpecError(file, key, expected, found)
    if ": expected " in message and "; found " in message:
        inner, rest = message.split(": expected ", 1)
        expected, found = rest.split("; found ", 1)
        return SpecError(file, f"{key}.{inner}", expected, found)
    return SpecError(file, key, message[0].lower() + message[1:], found)


def _check_references(spec: Spec, file: str) -> None:
    """What one part of a spec says about another must hold."""
    declared = ", ".join(sorted(spec.nodes))

    def node(key: str, name: str) -> None:
        if name not in spec.nodes:
            raise SpecError(file, key, f"a declared node type ({declared})", repr(name))

    for name, edge in spec.edges.items():
        node(f"edges.{name}.source.node", edge.source.node)
        node(f"edges.{name}.target.node", edge.target.node)
        if len(edge.reverse_fan_out or edge.fan_out) != len(edge.fan_out):
            raise SpecError(
                file, f"edges.{name}.reverse_fan_out", f"{len(edge.fan_out)} hops", str(edge.reverse_fan_out)
            )
        _check_settled(spec, file, name, edge)
    hops = {len(edge.fan_out) for edge in spec.edges.values()}
    if len(hops) > 1:
        raise SpecError(file, "edges.*.fan_out", "the same number of hops for all edges", str(sorted(hops)))
    for role, column in spec.node_columns():
        node(f"impressions.{role}.node", column.node)
    _check_tasks(spec, file)
    _check_names(spec, file)
    domains = sorted({edge.domain for edge in spec.edges.values()})
    for index, domain in enumerate(spec.domains or []):
        if domain not in domains:
            raise SpecError(file, f"domains.{index}", f"a domain of an edge ({', '.join(domains)})", repr(domain))
    if spec.home_domain not in domains:
        raise SpecError(file, "home_domain", f"a domain of an edge ({', '.join(domains)})", repr(spec.home_domain))


def _check_settled(spec: Spec, file: str, name: str, edge: Edge) -> None:
    """An edge that depends on an outcome becomes visible when the outcome settles, not when the item was shown."""
    shown = spec.impressions
    named = {*edge.filter, edge.weight or ""} if edge.table == shown.table else set()
    used = sorted(named & set(shown.outcomes))
    if used and edge.time != shown.settled:
        raise SpecError(
            file,
            f"edges.{name}.time",
            f"{shown.settled!r}, since the edge depends on the outcome {used[0]!r}",
            repr(edge.time),
        )


def _check_tasks(spec: Spec, file: str) -> None:
    outcomes = ", ".join(spec.impressions.outcomes)
    primary = [name for name, task in spec.tasks.items() if task.primary]
    if len(primary) != 1:
        raise SpecError(file, "tasks", "exactly one task with `primary: true`", str(primary))
    for name, task in spec.tasks.items():
        if task.label not in spec.impressions.outcomes:
            raise SpecError(file, f"tasks.{name}.label", f"one of impressions.outcomes ({outcomes})", repr(task.label))
    shown = spec.impressions
    columns = {shown.key, shown.time, shown.settled, shown.surface, shown.member.column, shown.item.column}
    for name in shown.context:
        if name in columns:
            raise SpecError(file, f"impressions.context.{name}", "a column with no other part", f"the column {name!r}")
        if name in shown.outcomes:
            raise SpecError(
                file, f"impressions.context.{name}", "a column known at request time", f"the outcome {name!r}"
            )


def _check_names(spec: Spec, file: str) -> None:
    """Feature and view names are flat in Feast: none may stand twice; none may be an outcome."""
    owner: dict[str, str] = {}
    views: dict[str, str] = {}
    for node_name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            key = f"nodes.{node_name}.views.{view_name}"
            if view_name in views:
                raise SpecError(file, key, "a view name of its own", f"also at {views[view_name]}")
            views[view_name] = key
            for feature in view.features:
                where = f"{key}.features.{feature}"
                if feature in (node.key, view.time, view.created):
                    raise SpecError(file, where, "a column that is not the key or a time", repr(feature))
                if feature in spec.impressions.outcomes:
                    raise SpecError(file, where, "a feature known before the outcome", f"the outcome {feature!r}")
                if feature in owner:
                    raise SpecError(file, where, "a feature name of its own", f"also at {owner[feature]}")
                owner[feature] = where
    for name, counter in spec.counters.items():
        if name in views:
            raise SpecError(file, f"counters.{name}", "a name that no view has", f"also at {views[name]}")
        for column in counter.filter:
            if column in spec.impressions.outcomes:
                raise SpecError(
                    file, f"counters.{name}.filter", "columns known at request time", f"the outcome {column!r}"
                )


def _named_columns(spec: Spec) -> Iterable[tuple[str, str, str | None]]:
    """Every (key in the spec, table, column) that a spec names; column None stands for the table itself."""
    for node_name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            key = f"nodes.{node_name}.views.{view_name}"
            yield f"{key}.table", view.table, None
            yield f"nodes.{node_name}.key", view.table, node.key
            yield f"{key}.time", view.table, view.time
            if view.created:
                yield f"{key}.created", view.table, view.created
            for feature in view.features:
                yield f"{key}.features.{feature}", view.table, feature
    for name, edge in spec.edges.items():
        yield from _edge_columns(name, edge)
    shown = spec.impressions
    yield "impressions.table", shown.table, None
    for key in ("key", "time", "settled", "surface"):
        yield f"impressions.{key}", shown.table, getattr(shown, key)
    for role, column in spec.node_columns():
        yield f"impressions.{role}.column", shown.table, column.column
    for group, names in (("context", list(shown.context)), ("outcomes", shown.outcomes)):
        for column_name in names:
            yield f"impressions.{group}.{column_name}", shown.table, column_name
    filters: list[tuple[str, Filter]] = [(f"tasks.{n}", t.filter) for n, t in spec.tasks.items()]
    filters += [(f"counters.{n}", c.filter) for n, c in spec.counters.items()]
    for key, columns in filters:
        for filtered in columns:
            yield f"{key}.filter.{filtered}", shown.table, filtered
    if spec.oracle:
        yield "oracle.table", spec.oracle.table, None
        yield "oracle.probability", spec.oracle.table, spec.oracle.probability


def _edge_columns(name: str, edge: Edge) -> Iterable[tuple[str, str, str | None]]:
    yield f"edges.{name}.table", edge.table, None
    yield f"edges.{name}.source.column", edge.table, edge.source.column
    yield f"edges.{name}.target.column", edge.table, edge.target.column
    yield f"edges.{name}.time", edge.table, edge.time
    if edge.weight:
        yield f"edges.{name}.weight", edge.table, edge.weight
    for filtered in edge.filter:
        yield f"edges.{name}.filter.{filtered}", edge.table, filtered
