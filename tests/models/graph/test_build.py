"""Building: nodes, edges, versions, seeds and activities out of hand-written tables, and against brute force."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.build import build_graph
from models.graph.errors import GraphInputError
from models.graph.hashing import hash_keys
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.spec import Spec
from tests.models.graph.product import HOUR, ROWS, START, shown, spec, write_product


def built(folder: Path, rows: dict[str, list[dict[str, Any]]] | None = None, of: Spec | None = None) -> TemporalGraph:
    build_graph(of or spec(), *write_product(folder, rows), folder / "graph")
    return TemporalGraph.load(folder / "graph")


def rewritten(path: Path, column: str, values: pa.Array | None) -> None:
    """The file with that column replaced, or dropped."""
    table = parquet.read_table(path)
    place = table.schema.get_field_index(column)
    table = table.remove_column(place) if values is None else table.set_column(place, column, values)
    parquet.write_table(table, path)


def hours(time: torch.Tensor) -> list[int]:
    assert not ((time - START) % HOUR).any()
    return ((time - START) // HOUR).tolist()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> TemporalGraph:
    return built(tmp_path_factory.mktemp("product"))


def test_nodes_are_all_keys_in_order(graph: TemporalGraph) -> None:
    assert graph.keys("member").to_pylist() == [10, 20, 30, 40, 50]
    assert graph.keys("item").to_pylist() == ["a", "b", "c"]
    assert graph.keys("creator").to_pylist() == [5, 7]
    assert graph.nodes["item"].id_hash.tolist() == hash_keys(pa.array(["a", "b", "c"])).tolist()
    assert graph.find("member", pa.array([30, 11], pa.int64())).tolist() == [2, -1]


def test_edges_are_filtered_weighted_and_kept_once(graph: TemporalGraph) -> None:
    clicked = graph.edges["clicked"]
    assert clicked.offsets.tolist() == [0, 4, 5, 7, 7, 7]
    assert clicked.target.tolist() == [0, 1, 0, 1, 2, 1, 2]
    assert hours(clicked.time) == [3, 3, 51, 126, 151, 2, 61]
    assert clicked.weight.tolist() == [1, 1, 1, 1, 1, 2, 1]
    back = graph.edges["rev_clicked"]
    assert back.offsets.tolist() == [0, 2, 5, 7]
    assert back.target.tolist() == [0, 0, 2, 0, 0, 2, 1]
    dropped = graph.manifest["dropped"]["edges"]
    assert dropped["clicked"] == {"null_key": 1, "null_time": 1, "bad_weight": 1, "duplicate": 1}
    assert dropped["follows"] == {"null_key": 1, "null_time": 0, "bad_weight": 0, "duplicate": 1}


def test_edges_keep_what_their_rows_say(graph: TemporalGraph) -> None:
    clicked, back = graph.edges["clicked"], graph.edges["rev_clicked"]
    assert [(a.name, a.kind, a.vocabulary) for a in graph.schema.edge("rev_clicked").attributes] == [
        ("surface", "category", ("email", "push")),
        ("dwelt", "number", ()),
    ]
    assert clicked.categories[:, 0].tolist() == [2, 2, 2, 2, 2, 2, 1]
    assert clicked.numbers[:, 0].nan_to_num(-1).tolist() == [0, 0, 1, 0, -1, 0, 0]
    assert back.categories[:, 0].tolist() == [2, 2, 2, 2, 2, 1, 2]
    assert back.numbers[:, 0].nan_to_num(-1).tolist() == [0, 1, 0, 0, 0, 0, -1]
    assert graph.edges["follows"].numbers.shape == graph.edges["rev_follows"].categories.shape == (2, 0)


def test_schema_comes_from_the_spec(graph: TemporalGraph) -> None:
    schema = graph.schema
    assert [edge.name for edge in schema.edges] == ["clicked", "rev_clicked", "follows", "rev_follows"]
    assert schema.edge("follows").window == 48 * HOUR
    assert schema.edge("rev_follows").fan_out == (0, 2)
    assert schema.activity_edges == ("clicked",)
    assert schema.seeds.timezone_offset == HOUR
    assert schema.window("train").end == schema.window("validate").start == START + 96 * HOUR
    assert schema.node("member").features[1].vocabulary == ("art", "law")
    assert (schema.node("item").features[0].kind, schema.node("item").features[0].size) == ("vector", 33)
    assert schema.seeds.features[-1].vocabulary == ("am", "pm")


def test_versions_are_ordered_and_the_last_row_of_a_moment_counts(graph: TemporalGraph) -> None:
    member = graph.nodes["member"]
    assert member.version_offsets.tolist() == [0, 2, 2, 2, 2, 3]
    assert hours(member.version_time) == [0, 5, 0]
    assert member.numbers[:2, 0].tolist() == [29, 31]
    assert math.isnan(member.numbers[2, 0])
    assert member.categories[:, 0].tolist() == [0, 2, 1]
    assert graph.manifest["dropped"]["versions"]["member"] == {"null_key_or_time": 1, "superseded": 1}
    item = graph.nodes["item"]
    assert item.vectors.shape == (2, 35)
    assert item.vectors[0, :32].norm().item() == pytest.approx(1)
    assert item.vectors[0, 32:].tolist() == [1, 1, 2]
    assert not item.vectors[1].any()
    assert graph.nodes["creator"].version_offsets.tolist() == [0, 0, 0]


def test_seeds_hold_the_impressions_of_the_four_windows(graph: TemporalGraph) -> None:
    seeds = graph.seeds
    assert seeds.keys.to_pylist() == [8, 9, 10, 11, 12, 13]
    assert [seeds.rows(window).tolist() for window in ("graph", "train", "validate", "gate", "test")] == [
        [], [0, 1, 2], [3], [4], [5],
    ]  # fmt: skip
    assert seeds.member.tolist() == [0, 1, 2, 0, 0, 1]
    assert seeds.surface.tolist() == [0, 0, 1, 0, 0, 0]
    assert seeds.labels[:, 0].tolist() == [1, 0, 1, 0, 1, 1]
    # Defined on clicked rows of push alone, and where the outcome is known.
    assert seeds.labels[:, 1].nan_to_num(-1).tolist() == [1, -1, -1, -1, 0, -1]
    assert seeds.numbers[:, 0].tolist() == [8, 9, 10, 11, 12, 13]
    assert seeds.frozen_numbers[:, 0].tolist() == [-8, -9, -10, -11, -12, -13]
    assert seeds.frozen_categories.tolist() == seeds.categories.tolist()
    assert seeds.categories[:, 0].tolist() == [1, 0, 2, 1, 1, 1]
    starts = [graph.schema.window(name).start + 1 for name in ("validate", "gate", "test")]
    assert seeds.frozen_time.tolist() == [*(seeds.time[:3] - HOUR).tolist(), *starts]


def test_activities_are_the_engagement_edges_that_leave_the_member(graph: TemporalGraph) -> None:
    assert graph.schema.activity_edges == ("clicked",)


def test_domains_choose_the_edges(tmp_path: Path) -> None:
    single = built(tmp_path, of=spec().model_copy(update={"domains": ["push"]}))
    assert list(single.edges) == ["clicked", "rev_clicked"]
    assert single.keys("creator").to_pylist() == []


def test_the_same_input_gives_the_same_digest(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    first, second = (build_graph(spec(), tables, training_set, tmp_path / name) for name in ("one", "two"))
    assert first["digest"] == second["digest"]
    rows = [*ROWS["follows"], {"member_id": 20, "creator_id": 7, "time": START}]
    other = build_graph(spec(), *write_product(tmp_path, {"follows": rows}), tmp_path / "one")
    assert other["digest"] != first["digest"]


def test_empty_tables_make_an_empty_graph(tmp_path: Path) -> None:
    graph = built(tmp_path, {name: [] for name in ROWS})
    assert len(graph.seeds) == 0
    none = torch.zeros(0, dtype=torch.int64)
    assert Sampler(graph).tree("member", none, none).branches["clicked"].index.shape == (0, 3)
    index, time = torch.tensor([-1]), torch.tensor([START])
    assert not Sampler(graph).tree("item", index, time).branches["rev_clicked"].mask.any()


def test_what_comes_later_changes_no_earlier_tree(tmp_path: Path) -> None:
    """Every row at or after a moment replaced: what a seed at that moment sees stays the same."""
    moment = START + 60 * HOUR
    changed = [
        row if row["settled_time"] is None or row["settled_time"] < moment else {**row, "item_id": "a", "clicked": 1}
        for row in ROWS["impressions"]
    ]
    one, two = built(tmp_path / "one"), built(tmp_path / "two", {"impressions": changed})
    assert one.edges["clicked"].target.tolist() != two.edges["clicked"].target.tolist()
    for node, count in (("member", 5), ("item", 3)):
        index, time = torch.arange(count), torch.full((count,), moment)
        a, b = (Sampler(g).tree(node, index, time) for g in (one, two))
        for name, branch in a.branches.items():
            assert torch.equal(branch.index, b.branches[name].index)
            assert torch.equal(branch.delta, b.branches[name].delta)
            for deeper, places in branch.branches.items():
                assert torch.equal(places.index, b.branches[name].branches[deeper].index)


EVENTS = st.lists(
    st.builds(
        lambda member, item, hour, clicked, worth: (member, item, hour, clicked, worth),
        st.sampled_from([1, 2, None]),
        st.sampled_from(["a", "b", None]),
        st.integers(-3, 5),
        st.integers(0, 1),
        st.sampled_from([None, -1.0, 0.5, 2.0]),
    ),
    max_size=25,
)


@given(EVENTS)
@settings(max_examples=15, deadline=None)
def test_edges_equal_brute_force(events: list[tuple]) -> None:
    rows = [
        shown(place, m, i, hour, clicked, worth=worth, dwelt=place)
        for place, (m, i, hour, clicked, worth) in enumerate(events)
    ]
    with TemporaryDirectory() as folder:
        graph = built(Path(folder), {"impressions": rows})
        members, items = graph.keys("member").to_pylist(), graph.keys("item").to_pylist()
        first: dict[tuple, tuple[float, int]] = {}
        for row in rows:
            if None not in (row["member_id"], row["item_id"], row["worth"]) and row["clicked"] and row["worth"] > 0:
                edge_of = (row["member_id"], row["item_id"], row["settled_time"])
                first.setdefault(edge_of, (row["worth"], row["dwelt"]))
        for name, own, other in (("clicked", 0, 1), ("rev_clicked", 1, 0)):
            edge, keys = graph.edges[name], (members, items)
            expected = sorted(first.items(), key=lambda one: (one[0][own], one[0][2]))  # stable: ties in row order
            owner = torch.repeat_interleave(edge.offsets.diff())
            assert [keys[own][place] for place in owner.tolist()] == [one[own] for one, _ in expected]
            assert [keys[other][place] for place in edge.target.tolist()] == [one[other] for one, _ in expected]
            assert edge.time.tolist() == [one[2] for one, _ in expected]
            assert edge.weight_of(torch.arange(len(expected))).tolist() == [weight for _, (weight, _) in expected]
            assert edge.numbers[:, 0].tolist() == [dwelt for _, (_, dwelt) in expected]


def test_an_edge_type_without_rows_and_a_node_type_without_nodes(tmp_path: Path) -> None:
    graph = built(tmp_path, {"follows": []})
    assert graph.keys("creator").to_pylist() == []
    assert graph.edges["follows"].offsets.tolist() == [0] * (len(graph.keys("member")) + 1)
    assert graph.edges["rev_follows"].offsets.tolist() == [0]
    assert len(graph.edges["follows"].time) == 0


def test_unit_weights_are_not_stored(graph: TemporalGraph) -> None:
    assert len(graph.edges["clicked"].weight) == len(graph.edges["rev_clicked"].weight) == 7
    assert len(graph.edges["follows"].weight) == len(graph.edges["rev_follows"].weight) == 0


def test_a_failed_build_leaves_the_old_graph_and_nothing_else(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    digest = build_graph(spec(), tables, training_set, tmp_path / "graph")["digest"]
    rewritten(training_set / "impressions.parquet", "window", None)
    with pytest.raises(GraphInputError, match="expected column 'window'"):
        build_graph(spec(), tables, training_set, tmp_path / "graph")
    assert TemporalGraph.load(tmp_path / "graph").manifest["digest"] == digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph", "tables", "training_set"]


def test_saving_what_was_built_gives_the_same_files(graph: TemporalGraph, tmp_path: Path) -> None:
    again = graph.save(tmp_path / "again", {"dropped": graph.manifest["dropped"]})
    assert (again["digest"], again["files"]) == (graph.manifest["digest"], graph.manifest["files"])


def test_weights_that_no_float_holds_are_dropped(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    weights = [1e39, 1e-50, math.inf, math.nan, None, 0.0, -1e39, 3.4028234663852886e38, 1e-45]
    rewritten(tables / "impressions.parquet", "worth", pa.array([*weights, *[1.0] * 5], pa.float64()))
    rewritten(tables / "impressions.parquet", "member_id", pa.array([10] * 14))
    rewritten(tables / "impressions.parquet", "item_id", pa.array(["a"] * 14))
    rewritten(tables / "impressions.parquet", "clicked", pa.array([1] * 9 + [0] * 5))
    moments = pa.array([START + place * HOUR for place in range(14)], pa.timestamp("us", tz="UTC"))
    rewritten(tables / "impressions.parquet", "settled_time", moments)
    build_graph(spec(), tables, training_set, tmp_path / "graph")
    graph = TemporalGraph.load(tmp_path / "graph")
    assert graph.manifest["dropped"]["edges"]["clicked"]["bad_weight"] == 7
    assert hours(graph.edges["clicked"].time) == [7, 8]
    assert graph.edges["clicked"].weight.tolist() == torch.tensor([3.4028234663852886e38, 1e-45]).tolist()
