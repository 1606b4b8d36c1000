"""A canary of the other family than the champion: two slots of one store with vectors of different sizes."""

import asyncio

import numpy as np
import pytest
import torch

from feature_repo.push import push
from feature_repo.slots import read_slots
from feature_repo.store import open_store, project_of
from models.configs.model import ModelConfig
from models.graph.impressions import KINDS, OUTCOME
from models.spec.serving import SeenDiscount, Serving
from models.training.artifact import save_model
from models.training.embed import embed
from models.training.encoder import encoder_in
from serving.ranking.explain import Explainer
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest
from serving.ranking.scorer import Scorer
from serving.ranking.service import RankingService
from serving.ranking.slate import SlateIds
from tests.serving.world import CONFIG, World, copy_store, tiny_model

SEQUENCE = ModelConfig(family="sequence", width=4, layers=2, heads=2, impressions=7)
MEMBER = 3


@pytest.fixture(scope="module")
def services(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RankingService]:
    """The champion and a canary of the family ``sequence``, by version, over one copy of the world's store."""
    folder = tmp_path_factory.mktemp("families")
    config = copy_store(world, folder / "state")
    store = open_store(CONFIG, folder / "state", project_of(world.spec.name))
    model = tiny_model(world.graph, SEQUENCE)
    artifact = save_model(model, folder / "model")
    embed(model, world.graph, world.as_of, folder / "vectors", creation="authored")
    push(store, world.spec, folder / "vectors", "2", encoder_in(artifact), served={world.version})
    slots = {version: slot for slot, held in read_slots(store).items() for version in held.versions}
    folders = {world.version: world.state.parent / "model", "2": artifact}
    return {
        version: RankingService(
            world.spec, Scorer(path), OnlineReader(config, world.spec, slots[version]), version, world.prior
        )
        for version, path in folders.items()
    }


def read(service: RankingService, request: RankingRequest) -> OnlineFeatures:
    return asyncio.run(service.reader.read(request))


def test_both_versions_read_vectors_of_their_own_sizes(services: dict[str, RankingService], world: World) -> None:
    request = RankingRequest(MEMBER, tuple(world.keys("item")[:5]), "push", world.as_of + 1)
    sizes = set()
    for service in services.values():
        state = read(service, request)
        assert state.member is not None
        inputs = service.inputs(request, state)
        assert inputs.member_tokens is not None
        assert inputs.item_known.all()
        sizes.add((state.member.tokens.size, state.member.activity_tokens.size))
        assert np.isfinite(service.scorer.score(inputs)["click"]).all()
    assert len(sizes) == len(services) == 2


def test_a_reason_of_the_canary_is_an_impression(services: dict[str, RankingService], world: World) -> None:
    service = services["2"]
    request = RankingRequest(MEMBER, tuple(world.keys("item")[:5]), "push", world.as_of + 1, explain=True)
    state = read(service, request)
    reasons = Explainer(service.scorer, world.spec).reasons(service.inputs(request, state), state)
    found = [reason for each in reasons for reason in each if reason.kind == "activity"]
    assert found
    assert {reason.what["action"] for reason in found} <= {*KINDS, "clicked", "liked"}
    assert {*KINDS} & {reason.what["action"] for reason in found}
    assert {reason.what["node"] for reason in found} == {"item"}
    assert not [reason for each in reasons for reason in each if reason.kind == "neighbour"]


def test_an_item_whose_impression_has_settled_is_discounted(services: dict[str, RankingService], world: World) -> None:
    spec = world.spec.model_copy(update={"serving": Serving(seen_discount=SeenDiscount(factor=0.5))})
    service = RankingService(spec, services["2"].scorer, services["2"].reader, "2", world.prior)
    request = RankingRequest(MEMBER, tuple(world.keys("item")), "push", world.as_of + 1)
    state = read(service, request)
    assert state.member is not None
    inputs = service.inputs(request, state)
    slate = service.slate(SlateIds("mine", "call"), request, state, inputs, service.scorer.logits(inputs))
    discounted = {str(item) for item, said in zip(slate.items, slate.adjustments, strict=True) if said}
    settled = state.member.activity_edges == KINDS[OUTCOME]
    assert discounted >= set(state.member.activity_keys[settled]) - {""}
    assert discounted


def test_the_traced_decoder_is_the_ranker_for_histories_of_any_length(
    services: dict[str, RankingService], world: World
) -> None:
    scorer = services["2"].scorer
    slates = []
    for member, candidates in zip(world.keys("member"), (1, 5, 2, 7, 3, 4), strict=False):
        request = RankingRequest(member, tuple(world.keys("item")[:candidates]), "push", world.as_of + 1)
        slates.append(services["2"].inputs(request, read(services["2"], request)))
    cold = RankingRequest(10**6, tuple(world.keys("item")[:4]), "push", world.as_of + 1)
    slates.append(services["2"].inputs(cold, read(services["2"], cold)))
    for batch in (slates, *([slate] for slate in slates)):
        arguments = scorer.arguments(batch)
        with torch.inference_mode():
            eager = scorer.ranker(arguments).numpy()
        for place, found in enumerate(scorer.logits_many(batch)):
            np.testing.assert_allclose(found, eager[place, : len(found)], atol=1e-6, rtol=0)
