"""Check of references between the parts of a spec."""

from collections.abc import Iterator

from models.spec.base import Filter, check_unique_name
from models.spec.collaborative_references import check_collaborative
from models.spec.column_names import check_column_names, check_known_at_request
from models.spec.counter_references import check_counters
from models.spec.derived_references import check_derived
from models.spec.edges import Edge
from models.spec.errors import SpecError
from models.spec.expectations import check_expectations
from models.spec.negative_references import check_negatives
from models.spec.schema import Spec
from models.spec.semantic_references import check_semantic_ids
from models.spec.serving_references import check_serving
from models.spec.time_references import check_time_features


def check_references(spec: Spec, file: str) -> None:
    """Check every reference from one part to another. Raises SpecError."""
    declared = ", ".join(sorted(spec.nodes))

    def node(key: str, name: str) -> None:
        if name not in spec.nodes:
            raise SpecError(file, key, f"a declared node type ({declared})", repr(name))

    for name, edge in spec.edges.items():
        node(f"edges.{name}.source.node", edge.source.node)
        node(f"edges.{name}.target.node", edge.target.node)
        _check_settled(spec, file, name, edge)
        _check_served(spec, file, name, edge)
        owners: dict[str, str] = {}
        for attribute in edge.attributes:
            check_unique_name(
                file, f"edges.{name}.attributes.{attribute}", "a name that no other attribute has", attribute, owners
            )
    check_semantic_ids(spec, file)
    check_derived(spec, file)
    for role, column in spec.node_columns():
        node(f"impressions.{role}.node", column.node)
    _check_keys(spec, file)
    _check_tasks(spec, file)
    check_negatives(spec, file)
    _check_gate(spec, file)
    _check_surfaces(spec, file)
    _check_names(spec, file)
    _check_expectations(spec, file)
    check_counters(spec, file)
    check_collaborative(spec, file)
    check_time_features(spec, file)
    check_column_names(spec, file)
    check_known_at_request(spec, file)
    check_serving(spec, file)
    domains = sorted({edge.domain for edge in spec.edges.values()})
    for index, domain in enumerate(spec.domains or []):
        if domain not in domains:
            raise SpecError(file, f"domains.{index}", f"a domain of an edge ({', '.join(domains)})", repr(domain))
    if spec.home_domain not in domains:
        raise SpecError(file, "home_domain", f"a domain of an edge ({', '.join(domains)})", repr(spec.home_domain))


def _check_keys(spec: Spec, file: str) -> None:
    """Features are joined on the name of the key column, so every node type and the surface need different ones."""
    impressions = spec.impressions
    if impressions.item.node == impressions.member.node:
        raise SpecError(
            file, "impressions.item.node", "another node type than the member's", repr(impressions.item.node)
        )
    for name in spec.nodes:
        if name.lower() in ("surface", impressions.surface.lower()):
            raise SpecError(file, f"nodes.{name}", "a name other than the surface's", repr(name))
    owners = {impressions.surface.lower(): "impressions.surface"}
    for name, node in spec.nodes.items():
        other = owners.setdefault(node.key.lower(), f"nodes.{name}.key")
        if other != f"nodes.{name}.key":
            raise SpecError(
                file, f"nodes.{name}.key", "a key column that no other key uses", f"{node.key!r}, also at {other}"
            )


def filters(spec: Spec) -> Iterator[tuple[str, str, Filter]]:
    """Every filter: (key in the spec, table, filter)."""
    for name, edge in spec.edges.items():
        yield f"edges.{name}.filter", edge.table, edge.filter
    for name, counter in spec.counters.items():
        yield f"counters.{name}.filter", spec.impressions.table, counter.filter
    for name, task in spec.tasks.items():
        yield f"tasks.{name}.filter", spec.impressions.table, task.filter


def _check_surfaces(spec: Spec, file: str) -> None:
    impressions = spec.impressions
    surfaces = set(impressions.surfaces)
    for key, table, kept in filters(spec):
        for value in kept.get(impressions.surface, []) if table == impressions.table else []:
            if value not in surfaces:
                expected = f"one of impressions.surfaces ({', '.join(impressions.surfaces)})"
                raise SpecError(file, f"{key}.{impressions.surface}", expected, repr(value))


def _check_settled(spec: Spec, file: str, name: str, edge: Edge) -> None:
    """An edge that depends on an outcome becomes visible when the outcome settles, not when the item was shown."""
    impressions = spec.impressions
    named = {*edge.filter, edge.weight or "", *edge.attributes} if edge.table == impressions.table else set()
    used = sorted(named & set(impressions.outcomes))
    if used and edge.time != impressions.settled:
        raise SpecError(
            file,
            f"edges.{name}.time",
            f"{impressions.settled!r}, since the edge depends on the outcome {used[0]!r}",
            repr(edge.time),
        )


def _check_served(spec: Spec, file: str, name: str, edge: Edge) -> None:
    """An id is no property of an edge: every impression has another one, and it would become a feature."""
    served = spec.impressions.served
    if edge.table == spec.impressions.table and served is not None and served in edge.attributes:
        raise SpecError(
            file, f"edges.{name}.attributes.{served}", "another column than impressions.served", repr(served)
        )


def _check_tasks(spec: Spec, file: str) -> None:
    outcomes = ", ".join(spec.impressions.outcomes)
    primary = [name for name, task in spec.tasks.items() if task.primary]
    if len(primary) != 1:
        raise SpecError(file, "tasks", "exactly one task with `primary: true`", str(primary))
    names: dict[str, str] = {}
    for name, task in spec.tasks.items():
        check_unique_name(file, f"tasks.{name}", "a name that no other task has", name, names)
        if task.label not in spec.impressions.outcomes:
            raise SpecError(file, f"tasks.{name}.label", f"one of impressions.outcomes ({outcomes})", repr(task.label))
    impressions = spec.impressions
    columns = {
        impressions.key,
        impressions.time,
        impressions.settled,
        impressions.surface,
        impressions.member.column,
        impressions.item.column,
    }
    for group in ("context", "candidate_context"):
        for name in getattr(impressions, group):
            key = f"impressions.{group}.{name}"
            if name in columns:
                raise SpecError(file, key, "a column with no other use", f"the column {name!r}")
            if name in impressions.outcomes:
                raise SpecError(file, key, "a column known at request time", f"the outcome {name!r}")


def _check_gate(spec: Spec, file: str) -> None:
    days = spec.windows.gate.days
    if spec.gate.refit and days < 2:
        found = f"windows.gate of {days} day"
        raise SpecError(file, "gate.refit", "a gate window of two days or more, whose last day checks the refit", found)
    for name, bounds in spec.gate.tasks.items():
        if name not in spec.tasks:
            raise SpecError(file, f"gate.tasks.{name}", f"one of the tasks ({', '.join(spec.tasks)})", repr(name))
        if spec.tasks[name].primary and bounds.margin is not None:
            raise SpecError(
                file, f"gate.tasks.{name}.margin", "the primary task's margin as gate.margin", str(bounds.margin)
            )


def _check_expectations(spec: Spec, file: str) -> None:
    for node_name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            kinds = {feature.name: feature.kind for feature in view.typed}
            check_expectations(view, kinds, f"nodes.{node_name}.views.{view_name}", file)


def _check_names(spec: Spec, file: str) -> None:
    """Feature and view names are flat in Feast: each must be unique, and no feature may be an outcome."""
    owner: dict[str, str] = {}
    views: dict[str, str] = {}
    nodes: dict[str, str] = {}
    for node_name, node in spec.nodes.items():
        check_unique_name(file, f"nodes.{node_name}", "a name that no other node type has", node_name, nodes)
        for view_name, view in node.views.items():
            key = f"nodes.{node_name}.views.{view_name}"
            check_unique_name(file, key, "a view name that no other view has", view_name, views)
            for feature in view.features:
                where = f"{key}.features.{feature}"
                times = (view.created,) if view.features[feature] == "time" else (view.time, view.created)
                if feature in (node.key, *times):
                    raise SpecError(file, where, "a column that is not the key or a time", repr(feature))
                if feature in spec.impressions.outcomes:
                    raise SpecError(file, where, "a feature known before the outcome", f"the outcome {feature!r}")
                check_unique_name(file, where, "a feature name that no other feature has", feature, owner)
    for name in spec.counters:
        check_unique_name(file, f"counters.{name}", "a name that no view has", name, views)
