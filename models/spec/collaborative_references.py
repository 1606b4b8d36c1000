"""Check of the edges that collaborative blocks refer to, and of the names of their columns and views."""

from models.collaborative.plan import feature_columns, item_columns, member_columns
from models.spec.base import check_unique_name
from models.spec.collaborative_plans import every_plan
from models.spec.errors import SpecError
from models.spec.schema import Spec


def check_collaborative(spec: Spec, file: str) -> None:
    """Check every block. Raises SpecError."""
    member, item = spec.impressions.member.node, spec.impressions.item.node
    ends = {name: (edge.source.node, edge.target.node) for name, edge in spec.edges.items()}
    fitting = [name for name, nodes in ends.items() if nodes == (member, item)]
    for name, block in spec.collaborative.items():
        for place, event in enumerate(block.events):
            if event not in fitting:
                expected = f"an edge from {member!r} to {item!r} ({', '.join(fitting) or 'there is none'})"
                found = f"{event!r}" + (f" from {ends[event][0]!r} to {ends[event][1]!r}" if event in ends else "")
                raise SpecError(file, f"collaborative.{name}.events.{place}", expected, found)
    _check_views(spec, file)


def _check_views(spec: Spec, file: str) -> None:
    """The two views of a block need names of their own."""
    views: dict[str, str] = {}
    for node_name, node in spec.nodes.items():
        views |= {view.lower(): f"nodes.{node_name}.views.{view}" for view in node.views}
    views |= {name.lower(): f"counters.{name}" for name in spec.counters}
    for name, plan in every_plan(spec).items():
        for view in (plan.member_view, plan.item_view):
            expected = f"a name of which no other view is {view!r}"
            check_unique_name(file, f"collaborative.{name}", expected, view, views)


def collaborative_columns(spec: Spec) -> list[tuple[str, str]]:
    """Pairs (key in the spec, column): what each block stores, and the features derived from it."""
    found = []
    for name, plan in every_plan(spec).items():
        columns = [*member_columns(plan), *item_columns(plan), *feature_columns(plan)]
        found += [(f"collaborative.{name}", column) for column in dict.fromkeys(columns)]
    return found
