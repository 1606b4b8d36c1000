"""Cold twins of a training set become seeds beside their rows; without them nothing changes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from models.features import item_exposures
from models.graph.build import build_graph
from models.graph.errors import GraphInputError
from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of
from tests.factories import specs
from tests.models.graph.product import DOCUMENT, spec, write_product


def _with_twins(training_set: Path, keys: list[int], others: list[int] | None = None) -> None:
    """Give rows with these keys a twin whose counters are missing; ``others``: keys of its frozen rows."""
    for source, name, own in (("impressions", "cold", keys), ("frozen", "cold_frozen", others or keys)):
        table = parquet.read_table(training_set / f"{source}.parquet")
        table = table.filter(pa.compute.is_in(table["impression_id"], pa.array(keys if own is keys else own)))
        for column in [column for column in table.column_names if column.startswith("all_")]:
            place = table.schema.get_field_index(column)
            table = table.set_column(place, column, pa.nulls(len(table), pa.float32()))
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
