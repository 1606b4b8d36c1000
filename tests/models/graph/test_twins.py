"""Cold twins of a training set become seeds beside their rows; without them nothing changes."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from models.columns import TWINS
from models.features import item_exposures
from models.graph.build import build_graph
from models.graph.check import check
from models.graph.errors import GraphFormatError, GraphInputError
from models.graph.fakes import fake_graph
from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of
from tests.factories import specs
from tests.models.graph.product import DOCUMENT, spec, write_product


def _with_twins(training_set: Path, keys: list[int], others: list[int] | None = None, side: str = "item") -> None:
    """Give rows with these keys a twin whose counters are missing; ``others``: keys of its frozen rows.

    On the member's ``side`` nothing knows the twin's member.
    """
    twins, frozen = TWINS[side]
    for source, name, own in (("impressions", twins, keys), ("frozen", frozen, others or keys)):
        table = parquet.read_table(training_set / f"{source}.parquet")
        table = table.filter(pa.compute.is_in(table["impression_id"], pa.array(keys if own is keys else own)))
        for column in [column for column in table.column_names if column.startswith("all_")]:
            place = table.schema.get_field_index(column)
            table = table.set_column(place, column, pa.nulls(len(table), pa.float32()))
        if side == "member" and source == "impressions":
            place = table.schema.get_field_index("member_id")
            table = table.set_column(place, "member_id", pa.array([-(2**63)] * len(table)))
        parquet.write_table(table, training_set / f"{name}.parquet")


def test_twins_are_seeds_after_their_rows_and_the_others_keep_every_bit(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    build_graph(spec(), tables, training_set, tmp_path / "plain")
    _with_twins(training_set, [8, 10, 11])
    build_graph(spec(), tables, training_set, tmp_path / "twinned")
    plain, twinned = (TemporalGraph.load(tmp_path / name).seeds for name in ("plain", "twinned"))
    assert not plain.cold.any()
    assert twinned.keys.filter(pa.array(twinned.cold.numpy())).to_pylist() == [8, 10, 11]
    twins = torch.nonzero(twinned.cold).flatten()
    rows = torch.nonzero(~twinned.cold).flatten()
    assert twinned.keys.take(pa.array(twins.numpy() - 1)).to_pylist() == [8, 10, 11]
    for name, values in tensors_of(plain).items():
        torch.testing.assert_close(tensors_of(twinned)[name][rows], values, rtol=0, atol=0, equal_nan=True)
    assert twinned.numbers[twins].isnan().all()
    assert twinned.frozen_numbers[twins].isnan().all()
    same = (
        twinned.member,
        twinned.item,
        twinned.time,
        twinned.frozen_time,
        twinned.window,
        twinned.labels.nan_to_num(),
    )
    assert all(torch.equal(tensor[twins], tensor[twins - 1]) for tensor in same)


def test_twins_of_both_sides_follow_their_rows_and_the_others_keep_every_bit(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    _with_twins(training_set, [8, 10])
    build_graph(spec(), tables, training_set, tmp_path / "items")
    _with_twins(training_set, [10, 11], side="member")
    build_graph(spec(), tables, training_set, tmp_path / "both")
    items, both = (TemporalGraph.load(tmp_path / name).seeds for name in ("items", "both"))
    assert items.cold_member is None
    assert torch.equal(items.cold_item, items.cold)
    assert both.cold_member is not None
    keys = [both.keys.filter(pa.array(which.numpy())).to_pylist() for which in (both.cold_item, both.cold_member)]
    assert keys == [[8, 10], [10, 11]]
    assert torch.equal(both.cold, both.cold_item | both.cold_member)
    rows = torch.nonzero(~both.cold_member).flatten()
    for name, values in tensors_of(items).items():
        torch.testing.assert_close(tensors_of(both)[name][rows], values, rtol=0, atol=0, equal_nan=True)
    twins = torch.nonzero(both.cold_member).flatten()
    assert both.keys.take(pa.array(twins.numpy() - 1)).to_pylist() == [10, 11]
    assert (both.member[twins] == -1).all()
    assert both.numbers[twins].isnan().all()


def test_a_member_twin_is_a_twin(tmp_path: Path) -> None:
    graph = fake_graph()
    wrong = replace(graph.seeds, cold_member=~graph.seeds.cold)
    with pytest.raises(GraphFormatError, match="seeds: expected cold_member in cold seeds alone"):
        check(graph.schema, graph.nodes, graph.edges, wrong, graph.node_keys)
    replace(graph, seeds=wrong).save(tmp_path / "graph")
    with pytest.raises(GraphFormatError, match="cold_member in cold seeds alone"):
        TemporalGraph.load(tmp_path / "graph")


@pytest.mark.parametrize(
    ("keys", "frozen", "message"),
    [([8, 9], [9], "cold_frozen.parquet: expected every row of cold.parquet; found 1 missing")],
)
def test_twins_that_do_not_fit_are_refused(tmp_path: Path, keys: list[int], frozen: list[int], message: str) -> None:
    tables, training_set = write_product(tmp_path)
    _with_twins(training_set, keys, frozen)
    with pytest.raises(GraphInputError, match=message):
        build_graph(spec(), tables, training_set, tmp_path / "graph")


def test_the_schema_knows_views_of_behavior_and_the_count_of_an_items_exposures(tmp_path: Path) -> None:
    nodes = {**DOCUMENT["nodes"], "item": {**DOCUMENT["nodes"]["item"]}}
    nodes["item"]["views"] = {"content": {**DOCUMENT["nodes"]["item"]["views"]["content"], "behavior": True}}
    product = specs.spec_of({**DOCUMENT, "nodes": nodes}, "tiny.yaml")
    build_graph(product, *write_product(tmp_path), tmp_path / "graph")
    schema = TemporalGraph.load(tmp_path / "graph").schema
    assert [column.behavior for column in schema.node("item").features] == [True, True]
    assert not any(column.behavior for column in schema.node("member").features)
    assert schema.seeds.exposures is None  # its only counter is the member's
    windowed = {"keys": ["item"], "window": "1d"}
    counters = {
        "recent": windowed,
        "one": {"keys": ["item"], "filter": {"surface": ["push"]}},
        "own": {"keys": ["item"]},
    }
    assert item_exposures(specs.spec_of({**DOCUMENT, "counters": counters}, "tiny.yaml")) == "own_exposures"
