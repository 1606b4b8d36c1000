"""A stored schema that contradicts itself is refused, whatever its digest says."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from models.graph.errors import GraphFormatError
from models.graph.fakes import START, fake_graph
from models.graph.schema import FeatureColumn, PageRank
from models.graph.store import TemporalGraph
from tests.models.graph.test_store import sign

VECTOR = FeatureColumn("v", "vector", size=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake_graph(members=5, items=6).save(tmp_path / "graph")
    return tmp_path / "graph"


def rank(**change: object) -> Callable[[dict], None]:
    """A PageRank, with a field changed, in the schema."""
    good = asdict(PageRank("near", "member", "item", ("clicked",), fan_out=2, method="walk"))
    return lambda schema: schema.update(pageranks=[{**good, **change}])


def span(place: int, **change: object) -> Callable[[dict], None]:
    """A window of the schema with a field changed."""
    return lambda schema: schema["seeds"]["windows"][place].update(change)


def edge(**change: object) -> Callable[[dict], None]:
    """A field of the first edge type changed."""
    return lambda schema: schema["edges"][0].update(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edge(source="nobody"), "edge 'clicked': expected one of creator, item, member; found 'nobody'"),
        (edge(target="creator"), "edge 'clicked': expected its other direction"),
        (edge(fan_out=[3, -1]), "edge 'clicked': expected fan-outs of 0 or more"),
        (edge(window=-1), "edge 'clicked': expected a window of 0 or more"),
        (edge(attributes=[]), "edge 'clicked': expected the other direction's attributes"),
        (
            lambda schema: [one.update(attributes=[vars(VECTOR)]) for one in schema["edges"][:2]],
            r"edge 'clicked': expected attributes that are vectors \[\]; found \['v'\]",
        ),
        (
            lambda schema: schema["edges"].append(schema["edges"][0]),
            r"branches: expected each name once; found \['clicked'\]",
        ),
        (lambda schema: schema["edges"].pop(1), "edge 'clicked': expected its other direction"),
        (lambda schema: schema["edges"].pop(0), "activity_edges: expected one of .*; found 'clicked'"),
        (lambda schema: schema["edges"].pop(4), "edge 'rev_follows': expected its other direction"),
        (lambda schema: schema["nodes"].append(schema["nodes"][0]), r"node types: .* found \['member'\]"),
        (lambda schema: schema["activity_edges"].append("seen"), "activity_edges: expected one of .*; found 'seen'"),
        (lambda schema: schema["seeds"].update(item="post"), "seeds: expected one of .*; found 'post'"),
        (rank(name="liked"), r"branches: .* found \['liked'\]"),
        (rank(target="post"), "PageRank 'near': expected one of creator, item, member; found 'post'"),
        (rank(edges=["clicked", "seen"]), "PageRank 'near': expected one of authored, .*; found 'seen'"),
        *((rank(**{name: 0}), "expected walks, steps and fan_out") for name in ("walks", "steps", "fan_out")),
        *((rank(restart=value), "expected a restart between 0 and 1") for value in (0.0, 1.0, float("nan"))),
        (rank(epsilon=0.0), "expected an epsilon above 0"),
        (edge(window=2**63 - 1), r"edge 'clicked': expected a window of 0 or more, to 2\^62"),
        (edge(window=1.5), "edge 'clicked': expected a window of 0 or more"),
        (span(1, end=0), "window 'train': expected an end not before its start .*; found 0"),
        (span(2, start=START), "window 'validate': expected a start not before .*, the end of the one before"),
        (span(4, end=2**63), "window 'test': expected moments within"),
        (span(4, name="train"), r"windows: expected each name once; found \['train'\] repeated"),
        (lambda schema: schema["seeds"].update(timezone_offset=2**40), "timezone_offset: expected microseconds within"),
        (lambda schema: schema["seeds"]["tasks"][0].update(weight=float("nan")), "task 'click': expected a finite"),
        (lambda schema: schema["seeds"].pop("windows"), "expected the schema of a graph; found KeyError"),
        (lambda schema: schema["edges"][0].update(fan_out=3), "expected the schema of a graph; found TypeError"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(
    folder: Path, change: Callable[[dict], object], message: str
) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest["schema"])
    sign(folder, manifest)
    with pytest.raises(GraphFormatError, match=message):
        TemporalGraph.load(folder)
