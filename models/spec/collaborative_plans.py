"""Collaborative plans of a spec: the columns and settings of each block."""

from models.collaborative.plan import CollaborativePlan
from models.spec.schema import Spec


def collaborative_plans(spec: Spec) -> dict[str, CollaborativePlan]:
    """The plan of each block by name, without those that have an event outside of the spec's ``domains``."""
    active = spec.active_edges().keys()
    return {name: plan for name, plan in every_plan(spec).items() if active >= set(spec.collaborative[name].events)}


def every_plan(spec: Spec) -> dict[str, CollaborativePlan]:
    """The plan of each block by name, whatever ``domains`` is."""
    member, item = (spec.nodes[column.node].key for _, column in spec.node_columns())
    return {
        name: CollaborativePlan(
            name=name,
            member_key=member,
            item_key=item,
            kinds=tuple(block.kinds),
            neighbors=block.neighbors,
            history=block.history,
            rank=block.rank,
            delay=block.delay_time,
        )
        for name, block in spec.collaborative.items()
    }
