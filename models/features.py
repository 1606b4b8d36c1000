"""Names and order of a spec's features: the columns that Feast, graph, serving and monitoring share."""

from models.collaborative import plan as collaborative
from models.columns import FROZEN_TIME as FROZEN_TIME
from models.columns import VALID_FROM as VALID_FROM
from models.counters.columns import feature_columns, outcome_columns
from models.spec import Counter, Edge, Feature, Spec
from models.spec.collaborative_plans import collaborative_plans
from models.spec.counter_plans import counter_plan, counter_plans, snapshot_plans
from models.spec.counters import ROLES
from models.spec.semantic_ids import code_features
from models.spec.time_references import time_sources

MEMBER_VECTORS = "member_vectors"
ITEM_VECTORS = "item_vectors"
SLOTS = ("blue", "green", "amber")
"""Vectors of three encoders are stored at once: the champion's, a canary's or the next one's, the previous one's."""


def vector_view(kind: str, slot: str) -> str:
    """The name of the pushed view of ``MEMBER_VECTORS`` or ``ITEM_VECTORS`` in a slot."""
    return f"{kind}_{slot}"


def counter_keys(spec: Spec, counter: str) -> list[str]:
    """The key columns of a counter's view: the node's key for member and item, else the surface or item feature."""
    return list(counter_plan(spec, counter).keys)


def counter_columns(spec: Spec, counter: str) -> list[str]:
    """The features of a counter, derived from its view's integers (models/counters)."""
    return feature_columns(counter_plan(spec, counter))


def attribute_keys(spec: Spec) -> dict[str, str]:
    """Counter keys that are features of the item, in the order of the counters: feature -> its view."""
    views = spec.nodes[spec.impressions.item.node].views
    owners = {feature: name for name, view in views.items() for feature in view.features}
    keys = [key for counter in spec.counters.values() for key in counter.keys if key not in ROLES]
    return {key: owners[key] for key in keys}


def compared_attributes(spec: Spec) -> dict[str, str]:
    """The item features that counters compare with last exposures: feature -> its view."""
    views = spec.nodes[spec.impressions.item.node].views
    owners = {feature: name for name, view in views.items() for feature in view.features}
    compared = [name for counter in spec.counters.values() for name in counter.compare if name not in ROLES]
    return {name: owners[name] for name in compared}


def counted_attributes(spec: Spec) -> dict[str, str]:
    """The item features that counters read with an impression, as keys or to compare: feature -> its view."""
    return attribute_keys(spec) | compared_attributes(spec)


def counter_views(spec: Spec) -> list[str]:
    """The counters' views: one per counter, ``overall`` if any has rates, the snapshots if any has residuals."""
    return [*counter_plans(spec), *snapshot_plans(spec)]


def counter_table(counter: str) -> str:
    """The name of a counter's canonical table."""
    return f"counter_{counter}"


def collaborative_columns(spec: Spec) -> list[str]:
    """The features of all collaborative blocks, derived from the rows of their views (models/collaborative)."""
    return [column for plan in collaborative_plans(spec).values() for column in collaborative.feature_columns(plan)]


def collaborative_views(spec: Spec) -> list[str]:
    """The views of item rows and member rows of every collaborative block.

    Items come first, so that a slate read between the two has the older row on the member's side, which is flagged.
    """
    return [view for plan in collaborative_plans(spec).values() for view in (plan.item_view, plan.member_view)]


def snapshot_views(spec: Spec) -> list[str]:
    """The views whose rows are made of a midnight's data and visible a delay later: collaborative, semantic IDs."""
    return [*collaborative_views(spec), *spec.semantic_ids]


def impression_features(spec: Spec) -> list[Feature]:
    """The features of an impression that the decoder and the trees use: counters, collaborative, context, time."""
    return _retrieved(spec) + spec.impressions.typed_given + time_features(spec)


def time_features(spec: Spec) -> list[Feature]:
    """The features that are derived from the impression's time (``models.time_features``)."""
    return [Feature(name, feature.kind, 1) for name, feature in spec.time_features.items()]


def ages_since(spec: Spec) -> dict[str, str]:
    """The features of type ``time`` that some age is since: feature -> its view."""
    used = {feature.since for feature in spec.time_features.values()}
    return {name: view for name, view in time_sources(spec).items() if name in used}


def drifting_features(spec: Spec) -> list[Feature]:
    """The features of an impression whose distribution says something: not the clock, which moves by itself."""
    clocks = {name for name, feature in spec.time_features.items() if feature.clock}
    return [feature for feature in impression_features(spec) if feature.name not in clocks]


def _retrieved(spec: Spec) -> list[Feature]:
    """The features of an impression that its table does not have."""
    counted = [column for counter in spec.counters for column in counter_columns(spec, counter)]
    return [Feature(column, "number", 1) for column in counted + collaborative_columns(spec)]


def node_features(spec: Spec, node: str) -> list[Feature]:
    """The features of a node type that the model reads, over its views in the order of the spec.

    All but times, and codes that are made of events outside of the spec's ``domains``.
    """
    active = spec.active_edges().keys()
    hidden = {name for name, block in spec.semantic_ids.items() if not active >= set(block.events)}
    typed = [feature for name, view in spec.nodes[node].views.items() if name not in hidden for feature in view.typed]
    return [feature for feature in typed if feature.kind != "time"]


def semantic_codes(spec: Spec, node: str) -> tuple[tuple[str, ...], ...]:
    """The residual codes of a node type's semantic IDs that the model reads, by block."""
    read = {feature.name for feature in node_features(spec, node)}
    blocks = {name: block for name, block in spec.semantic_ids.items() if block.node == node}
    found = (tuple(code_features(name, block)) for name, block in blocks.items())
    return tuple(codes for codes in found if codes and read >= set(codes))


def behavior_features(spec: Spec, node: str) -> set[str]:
    """The features of a node type that come from behavior: those of its views with ``behavior``."""
    return {name for view in spec.nodes[node].views.values() if view.behavior for name in view.features}


def item_exposures(spec: Spec) -> str | None:
    """The feature that counts all exposures of the item, of its first counter without filter and window, if any."""
    own = (
        name for name, one in spec.counters.items() if one.keys == ["item"] and not one.filter and one.window is None
    )
    return next((counter_columns(spec, name)[0] for name in own), None)


def edge_attributes(edge: Edge) -> list[Feature]:
    """The attributes of an edge type as features, in the order of the spec."""
    return [Feature(name, kind, 1) for name, kind in edge.attributes.items()]


def member_features(spec: Spec) -> list[Feature]:
    """The features of the member node."""
    return node_features(spec, spec.impressions.member.node)


def item_features(spec: Spec) -> list[Feature]:
    """The features of the item node."""
    return node_features(spec, spec.impressions.item.node)


def keyed_by_member(counter: Counter) -> bool:
    """Whether the counter depends on one member's own outcomes."""
    return "member" in counter.keys


def member_state_columns(spec: Spec) -> list[str]:
    """The columns of the frozen state: outcome columns of counters keyed by the member, collaborative columns (a
    snapshot's two sides do not part), member features, and ages since times of the member.
    """
    counted = [
        column
        for name, counter in spec.counters.items()
        if keyed_by_member(counter)
        for column in outcome_columns(counter_plan(spec, name))
    ]
    features = [feature.name for feature in member_features(spec)]
    return [*counted, *collaborative_columns(spec), *features, *member_ages(spec)]


def member_ages(spec: Spec) -> list[str]:
    """The ages since a time of the member."""
    views, sources = spec.nodes[spec.impressions.member.node].views, time_sources(spec)
    return [name for name, feature in spec.time_features.items() if feature.since and sources[feature.since] in views]


def online_views(spec: Spec) -> list[str]:
    """The views that are materialized into the online store: those of member and item, the counters', the
    collaborative ones.

    The pushed views (``member_vectors`` and ``item_vectors`` in each slot) are online too, but ``push`` writes them.
    """
    views = [view for _, column in spec.node_columns() for view in spec.nodes[column.node].views]
    return views + counter_views(spec) + collaborative_views(spec)


def training_columns(spec: Spec) -> list[Feature]:
    """The as-of features of a training row: counters, collaborative, then member features, then item features."""
    return _retrieved(spec) + member_features(spec) + item_features(spec)
