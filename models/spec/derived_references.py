"""Check of the edges and nodes that affinities, densifications and PageRanks refer to, and of their names."""

from collections.abc import Iterator

from models.spec.base import check_unique_name
from models.spec.edges import Affinity, Densification, NeighborSampling, PageRank
from models.spec.errors import SpecError
from models.spec.schema import Spec

_REVERSE = "rev_"
"""Prefix of the reverse direction of an edge type in a graph."""


def check_derived(spec: Spec, file: str) -> None:
    """Check the names and fan-outs of all edge types, then each derived one. Raises SpecError."""
    _check_names(spec, file)
    _check_fan_outs(spec, file)
    for name, affinity in spec.affinities.items():
        _check_affinity(spec, file, f"affinities.{name}", affinity)
    vectors = _vectors(spec) if spec.densification else {}
    for name, dense in spec.densification.items():
        _check_densification(spec, file, f"densification.{name}", dense, vectors)
    known = ends(spec) if spec.pageranks else {}
    for name, rank in spec.pageranks.items():
        _check_pagerank(spec, file, f"pageranks.{name}", rank, known)


def ends(spec: Spec) -> dict[str, tuple[str, str]]:
    """Source and target node type of every edge, affinity and densification whose references hold, by name."""
    found = {name: (edge.source.node, edge.target.node) for name, edge in spec.edges.items()}
    for name, affinity in spec.affinities.items():
        found[name] = (found[affinity.engagement][0], creator_of(spec, affinity))
    return found | {name: (dense.node, dense.node) for name, dense in spec.densification.items()}


def creator_of(spec: Spec, affinity: Affinity) -> str:
    """The node type of an affinity's creators: the end of the creation edge that is not the content."""
    content, creation = spec.edges[affinity.engagement].target.node, spec.edges[affinity.creation]
    return creation.target.node if creation.source.node == content else creation.source.node


def _sampled(spec: Spec) -> Iterator[tuple[str, NeighborSampling]]:
    parts = (("edges", spec.edges), ("affinities", spec.affinities), ("densification", spec.densification))
    for group, found in parts:
        yield from ((f"{group}.{name}", part) for name, part in found.items())


def _check_names(spec: Spec, file: str) -> None:
    owner: dict[str, str] = {}
    for key in [*(key for key, _ in _sampled(spec)), *(f"pageranks.{name}" for name in spec.pageranks)]:
        name = key.split(".", 1)[1]
        if name.startswith(_REVERSE):
            raise SpecError(file, key, f"a name without {_REVERSE!r}, which means reversed", repr(name))
        check_unique_name(file, key, "a name that no other edge, affinity, densification or PageRank has", name, owner)


def _check_fan_outs(spec: Spec, file: str) -> None:
    hops = {len(edge.fan_out) for edge in spec.edges.values()}
    if len(hops) > 1:
        raise SpecError(file, "edges.*.fan_out", "the same number of hops for all edges", str(sorted(hops)))
    (expected,) = hops
    for key, part in _sampled(spec):
        for field in ("fan_out", "reverse_fan_out"):
            numbers = getattr(part, field)
            if numbers is not None and len(numbers) != expected:
                raise SpecError(file, f"{key}.{field}", f"{expected} hops, as many as edges have", str(numbers))


def _check_node(spec: Spec, file: str, key: str, name: str) -> None:
    if name not in spec.nodes:
        raise SpecError(file, key, f"a declared node type ({', '.join(sorted(spec.nodes))})", repr(name))


def _check_edge(spec: Spec, file: str, key: str, name: str) -> None:
    if name not in spec.edges:
        raise SpecError(file, key, f"the name of an edge ({', '.join(sorted(spec.edges))})", repr(name))


def _check_domain(spec: Spec, file: str, key: str, domain: str | None) -> None:
    domains = sorted({edge.domain for edge in spec.edges.values()})
    if domain is not None and domain not in domains:
        raise SpecError(file, f"{key}.domain", f"a domain of an edge ({', '.join(domains)})", repr(domain))


def _check_affinity(spec: Spec, file: str, key: str, affinity: Affinity) -> None:
    _check_edge(spec, file, f"{key}.engagement", affinity.engagement)
    _check_edge(spec, file, f"{key}.creation", affinity.creation)
    engagement, creation = spec.edges[affinity.engagement], spec.edges[affinity.creation]
    if engagement.kind != "engagement":
        expected = "an edge of kind engagement"
        raise SpecError(file, f"{key}.engagement", expected, f"{affinity.engagement!r}, of kind {engagement.kind}")
    content = engagement.target.node
    nodes = (creation.source.node, creation.target.node)
    if nodes.count(content) != 1:
        expected = f"an edge between {content!r}, which {affinity.engagement!r} leads to, and another node type"
        raise SpecError(
            file, f"{key}.creation", expected, f"{affinity.creation!r} between {nodes[0]!r} and {nodes[1]!r}"
        )
    _check_domain(spec, file, key, affinity.domain)


def _vectors(spec: Spec) -> dict[str, dict[str, None]]:
    """Vector features by node type, in order."""
    return {
        name: {feature.name: None for view in node.views.values() for feature in view.typed if feature.kind == "vector"}
        for name, node in spec.nodes.items()
    }


def _check_densification(
    spec: Spec, file: str, key: str, dense: Densification, vectors: dict[str, dict[str, None]]
) -> None:
    _check_node(spec, file, f"{key}.node", dense.node)
    if dense.feature not in vectors[dense.node]:
        expected = f"a vector feature of {dense.node!r} ({', '.join(vectors[dense.node]) or 'it has none'})"
        raise SpecError(file, f"{key}.feature", expected, repr(dense.feature))
    if dense.degree_of is not None:
        _check_edge(spec, file, f"{key}.degree_of", dense.degree_of)
        edge = spec.edges[dense.degree_of]
        if dense.node not in (edge.source.node, edge.target.node):
            found = f"{dense.degree_of!r} between {edge.source.node!r} and {edge.target.node!r}"
            raise SpecError(file, f"{key}.degree_of", f"an edge that begins or ends at {dense.node!r}", found)
    elif not any(edge.kind == "engagement" and edge.source.node == dense.node for edge in spec.edges.values()):
        found = "nothing, and no engagement edge leaves it"
        raise SpecError(file, f"{key}.degree_of", f"an edge that begins or ends at {dense.node!r}", found)
    _check_domain(spec, file, key, dense.domain)


def _check_pagerank(spec: Spec, file: str, key: str, rank: PageRank, known: dict[str, tuple[str, str]]) -> None:
    for end in ("source", "target"):
        _check_node(spec, file, f"{key}.{end}", getattr(rank, end))
    followed = list(known) if rank.edges is None else rank.edges
    for place, name in enumerate(followed):
        if name not in known:
            expected = f"an edge, affinity or densification ({', '.join(sorted(known))})"
            raise SpecError(file, f"{key}.edges.{place}", expected, repr(name))
    adjacent: dict[str, set[str]] = {}
    for one, other in {known[name] for name in followed}:
        adjacent.setdefault(one, set()).add(other)
        adjacent.setdefault(other, set()).add(one)
    reached, waiting = {rank.source}, [rank.source]
    while waiting:
        grown = adjacent.get(waiting.pop(), set()) - reached
        reached |= grown
        waiting += grown
    if rank.target not in reached:
        found = f"{rank.target!r}, which the edges do not lead to"
        raise SpecError(file, f"{key}.target", f"a node type that the edges reach from {rank.source!r}", found)
