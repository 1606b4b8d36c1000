from dataclasses import replace

import numpy as np
import pytest
import torch

from models.configs.model import ModelConfig
from models.graph.fakes import HOUR
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.training.batches import FRESH, FROZEN, STALE, Batches, decoder_inputs, encode
from models.training.seed_values import SeedValues
from models.training.slices import one_each
from models.trees.inputs import FRESH_SECONDS, TreeInputs
from tests.models.training.small import MODEL, small_graph
from tests.models.training.twins import with_twins

CONFIGS = [
    MODEL,
    replace(MODEL, sequence=False),
    replace(MODEL, profiles=False, graph=False),
    replace(MODEL, counters=False),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("lag", [0, 30 * HOUR])
def test_the_columns_are_those_of_the_whole_encoders_output_bit_for_bit(config: ModelConfig, lag: int) -> None:
    graph = with_twins(small_graph())
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    ranker, encoded = Ranker(config, graph.schema, encoding).eval(), encode_graph(encoding, graph.schema, graph)
    rows = torch.arange(len(graph.seeds))
    states = torch.tensor([FRESH, STALE, FROZEN]).repeat(len(rows))[: len(rows)]
    values = SeedValues(config, graph.schema, encoding, graph)
    found = values.of(rows, states, lag)
    batch = Batches(encoded, ranker.sequence_length, hops=ranker.hops).make(one_each(rows), states, lag)
    with torch.inference_mode():
        inputs = decoder_inputs(batch, encode(ranker, encoded, batch))
    np.testing.assert_array_equal(found, TreeInputs.of(config, graph.schema, encoding).values(inputs)[:, 0])
    part = torch.tensor([5, 3])
    np.testing.assert_array_equal(values.of(part, states[part], lag), found[part])
    frozen = values.of(rows, "frozen")
    np.testing.assert_array_equal(values.of(rows, torch.full_like(rows, FROZEN)), frozen)
    assert values.of(rows[:0]).shape == (0, found.shape[1])
    assert ("item_rate" in values.inputs.names) == config.counters


def test_names_missing_numbers_and_codes() -> None:
    graph = small_graph()
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    values = SeedValues(MODEL, graph.schema, encoding, graph)
    names = values.inputs.names
    assert names[:3] == ("member_rate", "item_rate", "device")
    assert [names[place] for place in values.inputs.categories] == [
        "device",
        "member industry",
        "item format",
        "surface of the impression",
    ]
    rows = torch.arange(len(graph.seeds))
    found = values.of(rows)
    np.testing.assert_array_equal(np.isnan(found[:, :2]), graph.seeds.numbers.isnan().numpy())
    unknown = (graph.seeds.item < 0).numpy()
    assert unknown.any()
    length, kind = found[:, names.index("item length")], found[:, names.index("item format")]
    assert np.isnan(length[unknown]).all()
    assert (kind[unknown] == 0).all()
    assert (kind[~unknown] > 0).any()
    np.testing.assert_array_equal(found[:, names.index("surface of the impression")], graph.seeds.surface.numpy() + 1)
    stale = values.of(rows, torch.full_like(rows, STALE))
    seconds = (graph.seeds.time - graph.seeds.frozen_time).float() / 1_000_000
    np.testing.assert_array_equal(stale[:, -1], np.maximum(seconds.numpy(), FRESH_SECONDS))
    assert (found[:, -1] == FRESH_SECONDS).all()
    np.testing.assert_array_equal(values.of(rows, lag=1)[:, -1], found[:, -1])
