"""Check of what the blocks of semantic IDs refer to."""

from models.spec.errors import SpecError
from models.spec.schema import Spec
from models.spec.semantic_ids import semantic_table


def check_semantic_ids(spec: Spec, file: str) -> None:
    """Check every block. Raises SpecError."""
    for name, block in spec.semantic_ids.items():
        key = f"semantic_ids.{name}"
        if block.node not in spec.nodes:
            expected = f"a declared node type ({', '.join(sorted(spec.nodes))})"
            raise SpecError(file, f"{key}.node", expected, repr(block.node))
        fitting = [one for one, edge in spec.edges.items() if edge.source.node == block.node]
        for place, event in enumerate(block.events):
            if event not in fitting:
                expected = f"an edge from {block.node!r} ({', '.join(fitting) or 'there is none'})"
                raise SpecError(file, f"{key}.events.{place}", expected, repr(event))
        targets = sorted({spec.edges[event].target.node for event in block.events})
        if len(targets) > 1:
            raise SpecError(file, f"{key}.events", "edges to one node type", ", ".join(targets))
        views = spec.nodes[targets[0]].views.items()
        vectors = [one.name for view, found in views for one in found.typed if one.kind == "vector" and view != name]
        if block.vector not in vectors:
            expected = f"a vector feature of {targets[0]!r} ({', '.join(vectors) or 'it has none'})"
            raise SpecError(file, f"{key}.vector", expected, repr(block.vector))
        view = spec.nodes[block.node].views.get(name)
        if view is None or view.table != semantic_table(name):
            raise SpecError(file, key, f"a name that no view of {block.node!r} has", repr(name))
