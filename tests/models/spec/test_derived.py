"""Parts of a spec that are derived from others: affinities, densification, PageRanks, weights of edges."""

import copy
from collections.abc import Callable

import pytest

from models.spec import parse_spec
from models.spec.derived_references import ends
from models.spec.edges import NeighborSampling
from tests.models.spec.small import changed, check_mistake, put

MADE_BY = {
    **{"table": "posts", "source": {"node": "post", "column": "post_id"}, "time": "time", "fan_out": [1, 1]},
    **{"target": {"node": "author", "column": "author_id"}, "kind": "intrinsic", "domain": "feed"},
}
FAN = {"engagement": "clicked", "creation": "made_by", "within_days": 7, "fan_out": [2, 1]}
DENSE = {"node": "member", "feature": "text", "fan_out": [2, 1]}
RANK = {"source": "member", "target": "author"}


def derived(path: str, value: object) -> Callable[[dict], object]:
    """A change that sets one key of a spec with every derived part."""

    def change(document: dict) -> None:
        document["nodes"]["author"] = {"key": "author_id"}
        document["edges"] |= {"made_by": copy.deepcopy(MADE_BY)}
        document |= copy.deepcopy({"affinities": {"fan": FAN}, "densification": {"alike": DENSE}})
        document["pageranks"] = {"near": dict(RANK)}
        put(path, value)(document)

    return change


KNOWS = {**MADE_BY, "source": {"node": "post", "column": "a"}, "target": {"node": "post", "column": "b"}}
NO_PERCENTILE = {**DENSE, "low_percentile": 90}

MISTAKES = [
    (derived("edges.made_by.strategy", "newest"), "edges.made_by.strategy", "'most_recent'", "'newest'"),
    (derived("edges.made_by.weigh_by", "degree"), "edges.made_by.weigh_by", "'common_neighbours'", "'degree'"),
    (
        derived("edges.made_by.weigh_by", "common_neighbours"),
        *("edges.made_by.weigh_by", "within one node type", "'post' and 'author'"),
    ),
    (
        derived("edges.knows", {**KNOWS, "weight": "w", "weigh_by": "common_neighbours"}),
        *("edges.knows.weigh_by", "no other weight", "'w'"),
    ),
    (derived("affinities.fan.engagement", "liked"), "affinities.fan.engagement", "(clicked, made_by)", "'liked'"),
    (derived("affinities.fan.creation", "liked"), "affinities.fan.creation", "(clicked, made_by)", "'liked'"),
    (derived("affinities.fan.engagement", "made_by"), "fan.engagement", "of kind engagement", "kind intrinsic"),
    (derived("affinities.fan.creation", "knows"), "affinities.fan.creation", "the name of an edge", "'knows'"),
    (derived("edges.made_by.source.node", "member"), "affinities.fan.creation", "'post'", "'member' and 'author'"),
    (derived("edges.made_by.target.node", "post"), "affinities.fan.creation", "'post'", "'post' and 'post'"),
    (derived("affinities.fan.at_least", 0), "affinities.fan.at_least", "greater than or equal to 1", "0"),
    (derived("affinities.fan.within_days", 0), "affinities.fan.within_days", "greater than 0", "0"),
    (derived("affinities.fan.domain", "fed"), "affinities.fan.domain", "a domain of an edge (feed)", "'fed'"),
    (derived("affinities.fan.fan_out", [1]), "affinities.fan.fan_out", "2 hops", "[1]"),
    (derived("affinities.fan.reverse_fan_out", [1] * 3), "fan.reverse_fan_out", "2 hops", "[1, 1, 1]"),
    (derived("affinities.fan.fan_out", [2, 201]), "fan.fan_out.1", "less than or equal to 200", "201"),
    (derived("affinities.fan.reverse_fan_out", [-1, 1]), "reverse_fan_out.0", "greater than or equal to 0", "-1"),
    (derived("affinities.clicked", FAN), "affinities.clicked", "a name that no other edge, affinity", "edges.clicked"),
    (derived("densification.fan", DENSE), "densification.fan", "a name that no other edge, affinity", "affinities.fan"),
    (derived("pageranks.alike", RANK), "pageranks.alike", "a name that no other edge, affinity", "densification.alike"),
    (derived("pageranks.Alike", RANK), "pageranks.Alike", "a name that no other edge, affinity", "densification.alike"),
    (derived("pageranks.rev_near", RANK), "pageranks.rev_near", "without 'rev_'", "'rev_near'"),
    (derived("densification.alike.node", "mamber"), "alike.node", "(author, member, post)", "'mamber'"),
    (derived("densification.alike.feature", "age"), "alike.feature", "a vector feature of 'member' (text)", "'age'"),
    (derived("densification.alike.node", "post"), "alike.feature", "it has none", "'text'"),
    (derived("densification.alike.degree_of", "liked"), "alike.degree_of", "the name of an edge", "'liked'"),
    (derived("densification.alike.degree_of", "made_by"), "alike.degree_of", "ends at 'member'", "'post' and 'author'"),
    (derived("edges.clicked.kind", "affinity"), "affinities.fan.engagement", "engagement", "affinity"),
    (derived("densification.alike", NO_PERCENTILE), "alike.low_percentile", "less than high_percentile (90)", "90"),
    (derived("densification.alike.high_percentile", 101), "high_percentile", "less than or equal to 100", "101"),
    (derived("densification.alike.neighbours", 0), "alike.neighbours", "greater than or equal to 1", "0"),
    (derived("pageranks.near.source", "creator"), "pageranks.near.source", "declared node type", "'creator'"),
    (derived("pageranks.near.edges", ["fan", "liked"]), "near.edges.1", "(alike, clicked, fan, made_by)", "'liked'"),
    (derived("pageranks.near.edges", ["fan", "fan"]), "near.edges", "every value once", "'fan' twice"),
    (derived("pageranks.near.edges", []), "near.edges", "at least 1", "[]"),
    (derived("pageranks.near.edges", ["clicked"]), "near.target", "reach from 'member'", "'author'"),
    (derived("pageranks.near.restart", 1.0), "near.restart", "less than 1", "1.0"),
    (derived("pageranks.near.method", "jump"), "near.method", "'walk' or 'push'", "'jump'"),
]


@pytest.mark.parametrize(("change", "key", "expected", "found"), MISTAKES, ids=[mistake[1] for mistake in MISTAKES])
def test_a_mistake_is_named(change: Callable[[dict], object], key: str, expected: str, found: str) -> None:
    check_mistake(change, key, expected, found)


def test_only_engagements_count_as_a_degree_by_default() -> None:
    def change(document: dict) -> None:
        derived("densification.alike", DENSE)(document)
        document |= {"affinities": {}, "pageranks": {}}
        document["edges"]["clicked"]["kind"] = "affinity"

    check_mistake(change, "alike.degree_of", "begins or ends at 'member'", "no engagement edge leaves it")


def test_pagerank_follows_edges_in_both_directions() -> None:
    spec = parse_spec(changed(derived("pageranks.near", {"source": "author", "target": "member", "edges": ["fan"]})))
    assert spec.pageranks["near"].source == "author"


@pytest.mark.parametrize(("source", "target"), [("post", "author"), ("author", "post")])
def test_the_creator_is_the_other_end_than_the_content(source: str, target: str) -> None:
    def change(document: dict) -> None:
        derived("pageranks", {})(document)
        nodes = {"source": source, "target": target}
        document["edges"]["made_by"] |= {end: {"node": node, "column": f"{node}_id"} for end, node in nodes.items()}

    assert ends(parse_spec(changed(change)))["fan"] == ("member", "author")


def test_default_fan_outs() -> None:
    assert NeighborSampling().fan_out == [8, 4]
    assert NeighborSampling().reverse_fan_out is None


def test_derived_parts_survive_json() -> None:
    spec = parse_spec(changed(derived("pageranks.near.edges", ["fan", "made_by"])))
    assert (spec.affinities["fan"].at_least, spec.affinities["fan"].strategy) == (3, "most_recent")
    dense = spec.densification["alike"]
    assert (dense.neighbours, dense.low_percentile, dense.high_percentile) == (50, 30, 90)
    assert spec.pageranks["near"].edges == ["fan", "made_by"]
    assert parse_spec(spec.model_dump_json(by_alias=True)) == spec
