"""A twin whose member nothing knows is what the decoder gets in a request of an unknown member."""

import asyncio
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.served_world import random_model
from feature_repo.materialise import materialize
from feature_repo.retrieve import retrieve
from feature_repo.store import project_of, write_resolved
from models.features import SLOTS
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.nn.encoded import encode_graph
from models.training.batches import Batches, decoder_inputs, encode
from models.training.slices import one_each
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest
from serving.ranking.scorer import Scorer, SlateInputs
from tests.feature_repo import tiny
from tests.feature_repo.cold_members import UNKNOWN, open_members
from tests.feature_repo.conftest import World

pytestmark = pytest.mark.long(10)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """A world, and a folder with its training set, graph and random model."""
    folder = tmp_path_factory.mktemp("cold")
    world = open_members(folder, {"cold_member_share": 0.9})
    retrieve(world.store, world.spec, world.tables, folder / "training")
    build_graph(world.spec, world.tables, folder / "training", folder / "graph")
    random_model(world.spec, TemporalGraph.load(folder / "graph"), folder / "model")
    return world, folder


def _read(world: World, post: str, surface: str, time: int) -> OnlineFeatures:
    """What the store has for an unknown member and a post just before a time."""

    async def once() -> OnlineFeatures:
        config = write_resolved(tiny.CONFIG, world.state, project_of(world.spec.name))
        async with OnlineReader(config, world.spec, SLOTS[0]) as reader:
            return await reader.read(RankingRequest(UNKNOWN, (post,), surface, time))

    return asyncio.run(once())


def test_a_twin_is_what_the_decoder_gets_for_an_unknown_member(made: tuple[World, Path]) -> None:
    world, folder = made
    graph, scorer = TemporalGraph.load(folder / "graph"), Scorer(folder / "model")
    ranker, shown = scorer.ranker, pd.read_parquet(world.tables / "impressions.parquet").set_index("impression_id")
    encoded = encode_graph(ranker.encoding, graph.schema, graph)
    assert graph.seeds.cold_member is not None
    twins = torch.nonzero(graph.seeds.cold_member & (graph.seeds.member < 0)).flatten()
    for row in twins[[0, len(twins) // 2, -1]].tolist():
        batch = Batches(encoded, ranker.sequence_length).make(one_each(torch.tensor([row])))
        with torch.inference_mode():
            found = decoder_inputs(batch, encode(ranker, encoded, batch))
        impression, time = shown.loc[graph.seeds.keys[row].as_py()], int(graph.seeds.time[row])
        materialize(world.store, world.spec, time)
        online = _read(world, impression["post_id"], impression["surface"], time)
        given = {"place": float(impression["place"]), "device": impression["device"]}
        slate = SlateInputs(
            member_tokens=None,
            activity_tokens=None,
            activity_times=None,
            as_of=None,
            item_tokens=found.item_tokens[0].flatten(1).numpy(),
            item_known=torch.ones(1, dtype=torch.bool).numpy(),
            features={**online.counters, **online.collaborative.features, **given},
            surface=impression["surface"],
            time=time,
        )
        for name, expected in scorer.arguments([slate])._asdict().items():
            # The tokens are computed beside those of other nodes there, so their last bits may differ.
            rounding = 1e-6 if name == "member_tokens" else 0.0
            torch.testing.assert_close(getattr(found, name), expected, rtol=0, atol=rounding, msg=name)
        with torch.inference_mode():
            assert torch.allclose(ranker(found)[0], torch.from_numpy(scorer.logits(slate)), rtol=0, atol=1e-6)
