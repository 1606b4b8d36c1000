import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from kserve import InferInput, InferRequest

from models.calibration import Calibration
from models.counters.ragged import Ragged
from models.features import SLOTS, counter_columns
from models.graph.hashing import hash_keys
from models.training.artifact import Model, save_model
from models.training.embed import embed
from serving.errors import RequestError
from serving.ranking.explain import Explainer, Reason
from serving.ranking.reader import ItemVectors, MemberVectors, OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest, RequestParser
from serving.ranking.scorer import Scorer, SlateInputs
from serving.ranking.service import RankingService
from serving.server.ranking_runtime import RankingRuntime
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from serving.settings.limits import Limits
from tests.models.nn.batches import CONFIG, ready
from tests.serving.world import World

Removal = Callable[["Slate", Reason], SlateInputs]


class Slate:
    """A member and all items, as the store holds them."""

    def __init__(self, service: RankingService, member: int, items: list[int], time: int) -> None:
        self.service = service
        self.request = RankingRequest(member, tuple(items), "push", time, explain=True)
        self.state = asyncio.run(self._read())
        self.inputs = service.inputs(self.request, self.state)

    async def _read(self) -> OnlineFeatures:
        return await self.service.reader.read(self.request)

    def of(self, state: OnlineFeatures) -> SlateInputs:
        return self.service.inputs(self.request, state)

    def probabilities(self, inputs: SlateInputs) -> np.ndarray:
        return self.service.scorer.score(inputs)["click"]


@pytest.fixture(scope="module")
def service(world: World) -> RankingService:
    reader = OnlineReader(world.store_config, world.spec, SLOTS[0])
    return RankingService(world.spec, Scorer(world.state.parent / "bundle"), reader, world.version, world.prior)


@pytest.fixture(scope="module")
def slate(service: RankingService, world: World) -> Slate:
    return Slate(service, world.keys("member")[0], world.keys("item"), world.as_of + 1)


@pytest.fixture(scope="module")
def reasons(service: RankingService, slate: Slate) -> list[list[Reason]]:
    return Explainer(service.scorer, service.spec).reasons(slate.inputs, slate.state)


def without_activity(slate: Slate, reason: Reason) -> SlateInputs:
    """The features of a member without the activity."""
    member = slate.state.member
    assert member is not None
    moments = np.array([np.datetime64(reason.what["time"][:19], "us").astype(np.int64)])
    done = (
        (member.activity_keys == reason.what["key"])
        & (member.activity_edges == reason.what["action"])
        & (member.activity_times // 1_000_000 == moments // 1_000_000)
    )
    assert done.sum() == 1
    tokens = member.activity_tokens.reshape(len(done), -1) * ~done[:, None]
    gone = replace(member, activity_times=member.activity_times * ~done, activity_tokens=tokens.ravel())
    return slate.of(replace(slate.state, member=gone))


def without_neighbour(slate: Slate, reason: Reason) -> SlateInputs:
    """The features of a member without the neighbor: its hashed key is at none of its type's places."""
    ranker, member = slate.service.scorer.ranker, slate.state.member
    assert member is not None
    node, key = reason.what["node"], reason.what["key"]
    code = hash_keys(pa.array([key if node == "creator" else int(key)]))[0] % (2**24 - 1) + 1
    tokens, start = member.tokens.copy(), ranker.config.graph_tokens * ranker.config.width
    for path in ranker.overlap.member:
        part = tokens[start : start + path.places]
        start += path.places
        if path.node == node:
            part[part == code] = 0
    assert (tokens != member.tokens).any()
    return slate.of(replace(slate.state, member=replace(member, tokens=tokens)))


def without_counter(slate: Slate, reason: Reason) -> SlateInputs:
    columns = counter_columns(slate.service.spec, reason.what["counter"])
    missing = {name: np.full_like(slate.state.counters[name], np.nan) for name in columns}
    return slate.of(replace(slate.state, counters={**slate.state.counters, **missing}))


def without_member(slate: Slate, _: Reason) -> SlateInputs:
    return replace(slate.inputs, member_tokens=None)


def without_item(slate: Slate, _: Reason) -> SlateInputs:
    return replace(slate.inputs, item_known=np.zeros(len(slate.inputs), bool))


REMOVALS: dict[str, Removal] = {
    "activity": without_activity,
    "neighbour": without_neighbour,
    "counter": without_counter,
    "member": without_member,
    "item": without_item,
}


@pytest.mark.parametrize("kind", REMOVALS)
def test_a_reasons_effect_is_the_difference_that_its_absence_makes(
    slate: Slate, reasons: list[list[Reason]], kind: str
) -> None:
    whole = slate.probabilities(slate.inputs)
    checked = 0
    for place, some in enumerate(reasons):
        for reason in (reason for reason in some if reason.kind == kind):
            difference = whole - slate.probabilities(REMOVALS[kind](slate, reason))
            assert reason.effect == pytest.approx(difference[place], abs=1e-6)
            checked += 1
    assert checked


def test_each_family_has_at_most_three_reasons_strongest_first(reasons: list[list[Reason]]) -> None:
    for some in reasons:
        for family in ({"activity"}, {"neighbour"}, {"member", "item", "counter"}):
            effects = [abs(reason.effect) for reason in some if reason.kind in family]
            assert len(effects) <= 3
            assert effects == sorted(effects, reverse=True)


def test_of_a_stranger_only_the_items_and_the_counters_say_anything(service: RankingService, world: World) -> None:
    slate = Slate(service, -5, world.keys("item"), world.as_of + 1)
    found = Explainer(service.scorer, service.spec).reasons(slate.inputs, slate.state)
    assert {reason.kind for some in found for reason in some} == {"item", "counter"}


@pytest.mark.parametrize("change", [{"sequence": False}, {"graph": False}, {"overlap": False}, {}], ids=str)
def test_what_a_model_does_not_read_is_no_reason(change: dict[str, bool], world: World, tmp_path: Path) -> None:
    graph, _, ranker = ready(replace(CONFIG, **change))  # type: ignore[arg-type]
    calibration = Calibration.none([task.name for task in graph.schema.seeds.tasks])
    model = Model(ranker, ranker.encoding, graph.schema, calibration, training={})
    as_of = graph.schema.window("test").end
    embed(model, graph, as_of, tmp_path / "vectors")
    state = pushed(tmp_path / "vectors", as_of)
    member = state.member
    assert member is not None
    inputs = SlateInputs(
        member_tokens=member.tokens,
        activity_tokens=member.activity_tokens,
        activity_times=member.activity_times,
        as_of=as_of,
        item_tokens=state.items.tokens.values.reshape(len(state.items.tokens), -1),
        item_known=np.ones(len(state.items.tokens), bool),
        features={},
        surface="push",
        time=as_of + 1,
    )
    found = Explainer(Scorer(save_model(model, tmp_path / "model")), world.spec).reasons(inputs, state)
    kinds = {reason.kind for some in found for reason in some}
    assert ("activity" in kinds) == change.get("sequence", True)
    assert ("neighbour" in kinds) == (change.get("graph", True) and change.get("overlap", True))
    assert kinds >= {"member", "item"}


def pushed(folder: Path, as_of: int) -> OnlineFeatures:
    """The vectors of an active member and of all items, as the store returns them."""
    members, items = (parquet.read_table(folder / f"{side}.parquet").to_pandas() for side in ("member", "item"))
    row = members.iloc[0]
    columns = {name: row[name] for name in ("activity_tokens", "activity_times", "activity_edges", "activity_keys")}
    columns["tokens"] = row["member_tokens"]
    versions, creators = np.full(len(items), "1", object), items["item_creator"].to_numpy()
    tokens = Ragged.of(items["item_tokens"], np.float32)
    moments = np.full(len(items), as_of)
    of_items = ItemVectors(versions, tokens, creators, items["item_neighbours"].to_numpy(), moments)
    return OnlineFeatures(MemberVectors(encoder="1", as_of=as_of, **columns), of_items, {})


def test_what_comes_after_the_request_is_no_reason(service: RankingService, slate: Slate) -> None:
    member = slate.state.member
    assert member is not None
    newest = int(member.activity_times.max())
    early = replace(slate.inputs, time=newest)
    found = list(Explainer(service.scorer, service.spec).variants(early, slate.state))
    assert len([one for one in found if one.kind == "activity"]) == (member.activity_times > 0).sum() - 1


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_every_item_gets_its_own_reasons(
    service: RankingService, slate: Slate, reasons: list[list[Reason]], tmp_path: Path, protocol: str
) -> None:
    request, items = slate.request, list(slate.request.items)
    time = (
        datetime.fromtimestamp(request.time // 1_000_000, UTC).replace(microsecond=request.time % 1_000_000).isoformat()
    )
    instance = {
        "member": request.member,
        "items": items,
        "context": {"surface": "push", "time": time},
        "explain": True,
    }
    tensors = [
        *(
            InferInput(name, [len(keys)], "INT64", keys)
            for name, keys in (("member", [request.member]), ("items", items))
        ),
        *(InferInput(name, [1], "BYTES", [text]) for name, text in (("surface", "push"), ("time", time))),
        InferInput("explain", [1], "BOOL", [True]),
    ]

    async def send() -> dict[Any, Any]:
        runtime = RankingRuntime("tiny", service, ServedLog(ServedFiles(tmp_path), "tiny"), Limits())
        try:
            if protocol == "v1":
                ranked = (await runtime.predict({"instances": [instance]}))["predictions"][0]["slate"]
                return {candidate["item"]: candidate["reasons"] for candidate in ranked}
            outputs = {
                output.name: output.data for output in (await runtime.infer(InferRequest("tiny", tensors))).outputs
            }
            return dict(zip(outputs["items"], map(json.loads, outputs["reasons"]), strict=True))
        finally:
            runtime.close()

    by_item = asyncio.run(send())
    assert list(by_item) != items  # they are ranked
    for item, some in zip(items, reasons, strict=True):
        assert [{**reason, "effect": pytest.approx(reason["effect"], abs=1e-6)} for reason in by_item[item]] == [
            reason.to_json() for reason in some
        ]


def test_reasons_are_given_for_so_many_items_and_no_more(world: World) -> None:
    parser = RequestParser(world.spec, Limits(explained=3))
    instance = {"member": 1, "items": [1, 2], "context": {"surface": "push"}, "explain": True}
    plain = {**instance, "explain": False}
    assert [request.explain for request in parser.parse({"instances": [instance, plain]})] == [True, False]
    with pytest.raises(RequestError, match="expected at most 3 items to explain; found 4"):
        parser.parse({"instances": [instance, instance]})
    with pytest.raises(RequestError, match="found 4"):
        parser.parse_instance({**instance, "items": [1, 2, 3, 4]})
