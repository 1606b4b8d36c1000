import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.graph.schema import FeatureColumn
from models.graph.store import TemporalGraph
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding, FeatureEncoding, check_schema
from models.nn.errors import EncodingError
from tests.models.nn.batches import World


def test_json_and_back_is_the_same_encoding(world: World) -> None:
    encoding = world.ranker.encoding
    assert Encoding.from_json(json.loads(json.dumps(encoding.to_json()))) == encoding


@pytest.mark.parametrize("moment", ["window", "version", "seed", "edge"])
def test_nothing_at_or_after_the_end_of_training_is_fitted_on(world: World, moment: str) -> None:
    graph = world.graph
    seeds, member, clicked = graph.seeds, graph.nodes["member"], graph.edges["clicked"]
    until = {
        "window": graph.schema.window("train").end,
        "version": int(member.version_time.median()),
        "seed": int(seeds.time.median()),
        "edge": int(clicked.time.median()),
    }[moment]

    def changed(numbers: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return torch.where((time >= until).unsqueeze(1), 99.0, numbers)

    later = replace(
        graph,
        seeds=replace(seeds, numbers=changed(seeds.numbers, seeds.time)),
        nodes={**graph.nodes, "member": replace(member, numbers=changed(member.numbers, member.version_time))},
        edges={**graph.edges, "clicked": replace(clicked, numbers=changed(clicked.numbers, clicked.time))},
    )
    assert Encoding.fit(later, until) == Encoding.fit(graph, until)


def test_values_that_training_never_saw_have_code_zero(world: World) -> None:
    graph, encoding = world.graph, world.ranker.encoding
    features = graph.schema.node("item").features
    narrow = replace(encoding.nodes["item"], vocabularies=(("text",),))
    # The graph's vocabulary is image, text, video.
    assert narrow.map_categories(features, torch.tensor([[0], [1], [2], [3]])).flatten().tolist() == [0, 0, 1, 0]


def columns(graph: TemporalGraph, rows: torch.Tensor) -> dict[str, np.ndarray]:
    """The seeds' raw features by name, as a request has them."""
    words = (None, *graph.schema.seeds.features[2].vocabulary)
    return {
        "member_rate": graph.seeds.numbers[rows, 0].numpy(),
        "item_rate": graph.seeds.numbers[rows, 1].numpy(),
        "device": np.array([words[code] for code in graph.seeds.categories[rows, 0].tolist()], object),
    }


def test_a_slate_is_encoded_as_the_graphs_seeds_were(world: World) -> None:
    graph, encoding = world.graph, world.ranker.encoding
    rows = graph.seeds.rows("test")
    encoded = encode_graph(encoding, graph.schema, graph)
    few = rows[:2]
    numbers, categories = encoding.encode_impressions([columns(graph, rows), columns(graph, few)], len(rows))
    for place, seeds in enumerate((rows, few)):
        shown = slice(len(seeds))
        np.testing.assert_array_equal(numbers[place, shown], encoded.impression_numbers[seeds].numpy())
        np.testing.assert_array_equal(categories[place, shown], encoded.impression_categories[seeds].numpy())
    assert [part.shape for part in encoding.encode_impressions([], 3)] == [(0, 3, 4), (0, 3, 1)]
    assert [part.shape for part in encoding.encode_impressions([{}], 0)] == [(1, 0, 4), (1, 0, 1)]


def test_one_value_holds_for_all_impressions(world: World) -> None:
    encoding = world.ranker.encoding
    expected = encoding.encode_impressions(
        [{"member_rate": np.full(3, 0.25), "device": np.full(3, "phone", object)}], 3
    )
    for rate in (0.25, np.array([0.25])):
        for found, each in zip(
            encoding.encode_impressions([{"member_rate": rate, "device": "phone"}], 3), expected, strict=True
        ):
            np.testing.assert_array_equal(found, each)


def test_a_request_may_leave_out_everything_but_not_send_words_as_numbers(world: World) -> None:
    encoding = world.ranker.encoding
    numbers, categories = encoding.encode_impressions([{"device": "toaster"}], 1)
    assert numbers.tolist() == [[[0.0, 0.0, 1.0, 1.0]]]
    assert categories.tolist() == [[[0]]]
    with pytest.raises(EncodingError, match="member_rate: expected a number"):
        encoding.encode_impressions([{"member_rate": "often"}], 1)


def test_surfaces_are_coded_by_name(world: World) -> None:
    graph, encoding = world.graph, world.ranker.encoding
    assert [encoding.surface_code(name) for name in ("email", "push", "fax")] == [0, 1, -1]
    schema = replace(graph.schema, seeds=replace(graph.schema.seeds, surfaces=("push", "fax")))
    found = encode_graph(encoding, graph.schema, replace(graph, schema=schema))
    assert (found.surface == torch.where(graph.seeds.surface == 0, 1, -1)).all()


def test_a_graph_of_another_product_is_refused(world: World) -> None:
    graph, encoding = world.graph, world.ranker.encoding
    fewer = replace(graph.schema, edges=graph.schema.edges[:-1])
    with pytest.raises(EncodingError, match="edge types"):
        encode_graph(encoding, graph.schema, replace(graph, schema=fewer))
    member = graph.schema.node("member")
    renamed = replace(member, features=(replace(member.features[0], name="age"), *member.features[1:]))
    schema = replace(graph.schema, nodes=(renamed, *graph.schema.nodes[1:]))
    with pytest.raises(EncodingError, match=r"features of node type member: expected .*seniority.*found .*age"):
        encode_graph(encoding, graph.schema, replace(graph, schema=schema))


def test_a_vocabulary_holds_the_values_that_occur_and_vectors_are_fitted_by_component() -> None:
    columns = FeatureColumn("color", "category", vocabulary=("red", "green", "blue")), FeatureColumn("v", "vector", 2)
    codes, none = torch.tensor([[0], [3], [1], [3]]), torch.zeros(4, 0)
    vectors = torch.tensor([[1.0, 0.5], [2.0, 0.0], [1.0, 0.0], [2.0, 0.5]])
    found = FeatureEncoding.fit(columns, none, codes, vectors)
    assert found.vocabularies == (("red", "blue"),)
    assert found.codes == [{"red": 1, "blue": 2}]
    assert (found.vector_means, found.vector_deviations) == ((1.5, 0.25), (0.5, 0.25))
    one = FeatureEncoding.fit(columns, none[:1], codes[:1], vectors[:1])
    assert (one.vocabularies, one.vector_means, one.vector_deviations) == (((),), (1.0, 0.5), (1.0, 1.0))


def test_other_features_of_the_impression_are_refused(world: World) -> None:
    graph = world.graph
    features = replace(graph.schema.seeds.features[0], name="age"), *graph.schema.seeds.features[1:]
    schema = replace(graph.schema, seeds=replace(graph.schema.seeds, features=features))
    with pytest.raises(EncodingError, match=r"features of impressions: expected .*member_rate.*found .*age"):
        encode_graph(world.ranker.encoding, graph.schema, replace(graph, schema=schema))


def test_other_node_types_tasks_vectors_and_hops_are_refused(world: World) -> None:
    schema = world.graph.schema
    check_schema(schema, replace(schema, nodes=schema.nodes[::-1], edges=schema.edges[::-1]))
    deep = replace(schema.edges[0], fan_out=(4, 0)), *schema.edges[1:]
    for thing, found in (
        ("node types", replace(schema, nodes=schema.nodes[1:])),
        ("edge types and the hops they are sampled at", replace(schema, edges=deep)),
        ("tasks", replace(schema, seeds=replace(schema.seeds, tasks=schema.seeds.tasks[:1]))),
    ):
        with pytest.raises(EncodingError, match=f"^{thing} of the graph: expected"):
            check_schema(schema, found)
    features = schema.node("item").features
    with pytest.raises(EncodingError, match=r"expected vectors of 4 components.*found 3: .*Train a new version"):
        world.ranker.encoding.nodes["item"].check("x", (*features[:2], replace(features[2], size=3)))


def test_a_missing_category_is_not_the_one_named_none(world: World) -> None:
    encoding = world.ranker.encoding
    named = replace(encoding, impression=replace(encoding.impression, vocabularies=(("None", "phone"),)))
    given = {"device": np.array([None, "None", "phone"], object)}
    assert named.encode_impressions([given], 3)[1][0, :, 0].tolist() == [0, 1, 2]
    assert named.encode_impressions([{}], 1)[1].tolist() == [[[0]]]


def test_an_impression_may_have_no_numbers(world: World) -> None:
    encoding = world.ranker.encoding
    encoding = replace(encoding, impression=replace(encoding.impression, numbers=()))
    numbers, categories = encoding.encode_impressions([{"device": "phone"}], 3)
    assert (numbers.shape, categories.shape) == ((1, 3, 0), (1, 3, 1))
