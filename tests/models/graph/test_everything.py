"""A spec with every derived part and every strategy, from tables to trees: on both engines, and blind to the future."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from models.graph.build import build_graph
from models.graph.engine import Engine
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of
from models.graph.tree import Branch
from models.spec import Spec
from tests.models.graph.derived import document
from tests.models.graph.derived import spec as derived_spec
from tests.models.graph.product import HOUR, START, TIME, shown, write_product

MEMBERS, ITEMS, CREATORS = range(1, 11), "abcdefghijklmnopqrst", range(1, 4)
TRAIN, END = 48, 7 * 24
"""Hours after the start of the graph window."""
DERIVED = ("fan_of", "alike", "near", "circle")
Rows = dict[str, list[dict[str, Any]]]
TYPES = {
    "made": {"item_id": pa.string(), "creator_id": pa.int64(), "time": TIME},
    "knows": {"member_id": pa.int64(), "other_id": pa.int64(), "time": TIME},
}
MOMENT = {"impressions": "settled_time", "versions_member": "valid_from", "versions_item": "valid_from"}
"""The column by which a row is known; elsewhere ``time``."""


def spec() -> Spec:
    """Everything is derived; among the edge types are all three strategies, given and derived alike."""
    given = document()
    edges, dense = given["edges"], given["densification"]["alike"]
    edges["clicked"]["strategy"] = edges["made_by"]["strategy"] = "uniform"
    edges["knows"]["strategy"] = "weighted"
    return derived_spec(edges=edges, densification={"alike": {**dense, "strategy": "uniform"}})


def world(seed: int) -> Rows:
    """Events at whole hours, so that many are simultaneous. Every key is named at the very start."""
    random = np.random.default_rng(seed)

    def one(of: Any) -> Any:
        return of[int(random.integers(len(of)))]

    def moment() -> int:
        return START + int(random.integers(END)) * HOUR

    def topics() -> list[float] | None:
        return random.uniform(0.1, 1, 2).tolist() if random.random() < 0.5 else None

    return {
        "impressions": [
            shown(0, one(MEMBERS), ITEMS[int(len(ITEMS) * random.random() ** 2)], hour, int(random.random() < 0.8))
            | {"worth": float(random.integers(1, 9)) / 2}
            for hour in random.integers(0, END, 400).tolist()
        ],
        "follows": [
            *({"member_id": one(MEMBERS), "creator_id": creator, "time": START} for creator in CREATORS),
            *({"member_id": one(MEMBERS), "creator_id": one(CREATORS), "time": moment()} for _ in range(40)),
        ],
        "made": [
            *({"item_id": item, "creator_id": place % 3 + 1, "time": START} for place, item in enumerate(ITEMS)),
            *({"item_id": one(ITEMS), "creator_id": one(CREATORS), "time": moment()} for _ in range(8)),
        ],
        "knows": [{"member_id": one(MEMBERS), "other_id": one(MEMBERS), "time": moment()} for _ in range(120)],
        "versions_member": [
            {"member_id": member, "valid_from": time, "age": float(random.integers(20, 60)), "industry": one("xyz")}
            for member in MEMBERS
            for time in (START, moment())
        ],
        "versions_item": [
            *({"item_id": item, "valid_from": START, "title": item, "topics": topics()} for item in ITEMS),
            *({"item_id": item, "valid_from": moment(), "title": item, "topics": topics()} for item in 2 * ITEMS),
        ],
    }


def until(moment: int, early: Rows, late: Rows) -> Rows:
    """One world before the moment, another one at it and after it."""
    rows = {}
    for name in early:
        column = MOMENT.get(name, "time")
        before = [row for row in early[name] if row[column] < moment]
        rows[name] = [*before, *(row for row in late[name] if row[column] >= moment)]
    return rows


def built(folder: Path, rows: Rows, engine: Engine | None = None) -> TemporalGraph:
    numbered = [{**row, "impression_id": place} for place, row in enumerate(rows["impressions"])]
    tables, training_set = write_product(folder, {**rows, "impressions": numbered})
    for name, types in TYPES.items():
        parquet.write_table(pa.Table.from_pylist(rows[name], pa.schema(types)), tables / f"{name}.parquet")
    build_graph(spec(), tables, training_set, folder / "graph", engine)
    return TemporalGraph.load(folder / "graph")


def flat(branches: dict[str, Branch], path: str = "") -> dict[str, Branch]:
    """All branches of a tree, by the edge types on the way there."""
    found: dict[str, Branch] = {}
    for name, branch in branches.items():
        found |= {f"{path}{name}": branch, **flat(branch.branches, f"{path}{name}/")}
    return found


def trees(graph: TemporalGraph, index: dict[str, torch.Tensor], time: torch.Tensor) -> dict[str, Branch]:
    sampler = Sampler(graph, seed=3)
    parts = [flat(sampler.tree(node, one, time).branches, f"{node}/") for node, one in index.items()]
    return {name: branch for part in parts for name, branch in part.items()}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> TemporalGraph:
    return built(tmp_path_factory.mktemp("everything"), world(0))


def test_everything_derived_has_edges_and_is_sampled(graph: TemporalGraph) -> None:
    schema, seeds = graph.schema, graph.seeds
    assert {edge.strategy for edge in schema.edges} == {"most_recent", "uniform", "weighted"}
    assert {rank.method for rank in schema.pageranks} == {"walk", "push"}
    creator = torch.arange(len(seeds)) % schema.node("creator").count
    found = trees(graph, {"member": seeds.member, "item": seeds.item, "creator": creator}, seeds.time)
    reached = {name.split("/")[-1] for name, branch in found.items() if branch.mask.any()}
    assert reached >= {edge.name for edge in schema.edges if any(edge.fan_out)} | set(DERIVED)
    for name in ("fan_of", "rev_fan_of", "alike", "rev_alike", "knows"):
        edges = graph.edges[name]
        assert len(edges.target) > 5
        assert edges.target.dtype == torch.int32
        assert len(edges.weight.unique()) > 1
        assert (edges.time.min() < seeds.time.min()) & (edges.time.max() > seeds.time.min())
    assert len(found["member/near"].weight.unique()) > 100
    assert all((branch.edge_time < branch.time)[branch.mask].all() for branch in found.values())


def test_both_engines_build_the_same(graph: TemporalGraph, engines: dict[str, Engine], tmp_path: Path) -> None:
    other = built(tmp_path, world(0), engines["spark"])
    assert (graph.schema, graph.node_keys) == (other.schema, other.node_keys)
    assert graph.manifest["counts"] == other.manifest["counts"]
    assert graph.manifest["dropped"] == other.manifest["dropped"]
    pairs: list[tuple[object, object]] = [(graph.seeds, other.seeds)]
    pairs += [(graph.edges[name], edges) for name, edges in other.edges.items()]
    pairs += [(graph.nodes[name], node) for name, node in other.nodes.items()]
    assert graph.seeds.keys == other.seeds.keys
    for one, two in pairs:
        for name, tensor in tensors_of(one).items():
            near = 1e-6 if name == "weight" else 0
            torch.testing.assert_close(tensor, tensors_of(two)[name], rtol=0, atol=near, equal_nan=True)


@pytest.mark.parametrize("hour", [TRAIN, TRAIN + 31, END - 24])
def test_nothing_from_a_moment_on_changes_a_tree_as_of_it(graph: TemporalGraph, tmp_path: Path, hour: int) -> None:
    """All strategies and both PageRanks, bit for bit; in the end the other future does show."""
    moment = START + hour * HOUR
    other = built(tmp_path, until(moment, world(0), world(1)))
    assert graph.node_keys == other.node_keys
    index = {node.name: torch.arange(30) % node.count for node in graph.schema.nodes}

    def as_of(time: int) -> tuple[dict[str, Branch], dict[str, Branch]]:
        return trees(graph, index, torch.full((30,), time)), trees(other, index, torch.full((30,), time))

    for time in {moment, (moment + START + TRAIN * HOUR) // 2}:
        one, two = as_of(time)
        assert sum(int(branch.mask.sum()) for branch in one.values()) > 100
        for name, branch in one.items():
            for part in ("index", "mask", "edge_time", "weight"):
                assert torch.equal(getattr(branch, part), getattr(two[name], part)), (name, part)
    one, two = as_of(START + END * HOUR)
    for name in ("member/near", "member/circle", "member/fan_of", "member/knows"):
        assert not torch.equal(one[name].weight, two[name].weight)
