"""Check of the counters and edges that business rules and limits refer to."""

from models.spec.errors import SpecError
from models.spec.schema import Spec


def check_serving(spec: Spec, file: str) -> None:
    """Check the frequency cap's counter, the diversity rule's edge, what tells the counters' age. Raises SpecError."""
    cap, diversity = spec.serving.frequency_cap, spec.serving.diversity
    if cap is not None:
        counters = [name for name, counter in spec.counters.items() if _is_by_member(counter.keys)]
        if cap.counter not in counters:
            expected = f"a counter keyed by member, alone or with surface ({', '.join(counters) or 'there is none'})"
            raise SpecError(file, "serving.frequency_cap.counter", expected, repr(cap.counter))
    if diversity is not None:
        item = spec.impressions.item.node
        edges = [
            name
            for name, edge in spec.edges.items()
            if edge.kind == "intrinsic" and (edge.source.node == item) != (edge.target.node == item)
        ]
        if diversity.creation not in edges:
            expected = f"an intrinsic edge between {item!r} and its creators ({', '.join(edges) or 'there is none'})"
            raise SpecError(file, "serving.diversity.creation", expected, repr(diversity.creation))
    if spec.serving.max_age.counters is not None and all(counter.rates == [] for counter in spec.counters.values()):
        expected = "a counter with a rate, whose newest outcome tells how old counters are"
        raise SpecError(file, "serving.max_age.counters", expected, "none")
    if spec.serving.max_age.collaborative is not None and not spec.collaborative:
        raise SpecError(file, "serving.max_age.collaborative", "a collaborative block", "none")


def _is_by_member(keys: list[str]) -> bool:
    return "member" in keys and set(keys) <= {"member", "surface"}
