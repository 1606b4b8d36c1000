from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.boosting.fit import search_tasks
from models.calibration import Platt
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.sample import Sampler
from models.nn.clock import local_clock
from models.nn.encoded import encode_graph
from models.nn.inputs import DecoderInputs
from models.nn.model import Ranker
from models.training.artifact import Model, save_model
from models.training.batches import activity_age, relative_time
from models.training.errors import ArtifactError
from models.training.seed_values import SeedValues
from models.trees.inputs import TreeInputs
from models.trees.trees import Trees
from serving.ranking.scorer import Scorer, SlateInputs
from tests.models.trees.small import small_leaves
from tests.serving.world import MEMBERS, SIZES, shared_graph, shared_model, world_spec

SPEC = world_spec()


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer(save_model(shared_model(), tmp_path_factory.mktemp("artifact") / "model"))


def as_of() -> int:
    return shared_graph().schema.window("test").end


def inputs(member: int, items: list[int], time: int | None = None) -> SlateInputs:
    """The model's inputs for nodes, by index, as of the graph's end; -1 = unknown."""
    encoded, sampler, at = (
        encode_graph(shared_model().encoding, shared_model().schema, shared_graph()),
        Sampler(shared_graph()),
        torch.tensor([as_of()]),
    )
    activities = sampler.activities(torch.tensor([member]), at, shared_model().ranker.config.activities)
    with torch.no_grad():
        who = shared_model().ranker.member_tokens(encoded, sampler.tree("member", torch.tensor([member]), at))
        what = [
            shared_model().ranker.item_tokens(encoded, sampler.tree("item", torch.tensor([item]), at)) for item in items
        ]
        did = shared_model().ranker.activity_tokens(encoded, activities, at)
    return SlateInputs(
        member_tokens=who.numpy().ravel(),
        activity_tokens=did.numpy().ravel(),
        activity_times=(activities.time * activities.mask).numpy().ravel(),
        as_of=as_of(),
        item_tokens=np.stack([tokens.numpy().ravel() for tokens in what]),
        item_known=np.ones(len(items), bool),
        features={"member_counts_exposures": np.array([3.0 + item for item in items], np.float32), "device": "phone"},
        surface="push",
        time=as_of() if time is None else time,
    )


@pytest.mark.parametrize("member", [0, 3, MEMBERS - 1, -1])
def test_a_slate_scores_as_the_model_does_in_training(scorer: Scorer, member: int) -> None:
    time, items = as_of() + 5_000_000_000, [0, 4, -1]
    given = inputs(member, items, time)
    activities = Sampler(shared_graph()).activities(
        torch.tensor([member]), torch.tensor([as_of()]), shared_model().ranker.config.activities
    )
    numbers, categories = shared_model().encoding.encode_impressions([given.features], len(items))
    hour, weekday = local_clock(torch.tensor([time]), shared_model().schema.seeds.timezone_offset)
    config = shared_model().ranker.config
    with torch.no_grad():
        logits = shared_model().ranker(
            DecoderInputs(
                member_tokens=torch.from_numpy(given.member_tokens).view(1, -1, config.width),
                activity_tokens=torch.from_numpy(given.activity_tokens).view(1, config.activities, -1),
                activity_age=activity_age(activities, torch.tensor([time])),
                activity_mask=activities.mask,
                item_tokens=torch.from_numpy(given.item_tokens).view(1, len(items), -1, config.width),
                numbers=torch.from_numpy(numbers),
                categories=torch.from_numpy(categories),
                surface=torch.tensor([shared_model().encoding.surface_code("push")]),
                hour=hour,
                weekday=weekday,
                state_age=torch.tensor([(time - as_of()) / 1e6]),
                activity_time=relative_time(activities, torch.tensor([time])),
            )
        )[0]
    expected = shared_model().calibration.apply(logits.double().numpy())
    found = scorer.score(given)
    assert list(found) == ["click", "dwell"]
    np.testing.assert_allclose(np.stack([found["click"], found["dwell"]], axis=1), expected, atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        replace(SIZES, sequence=False),
        replace(SIZES, graph=False),
        replace(SIZES, attention=False),
        replace(SIZES, matching=False, overlap=False),
    ],
)
def test_a_model_without_an_ingredient_is_served_as_it_was_trained(tmp_path: Path, config: ModelConfig) -> None:
    torch.manual_seed(1)
    model = replace(shared_model(), ranker=Ranker(config, shared_model().schema, shared_model().encoding).eval())
    scorer = Scorer(save_model(model, tmp_path / "model"))
    random = np.random.default_rng(0)
    for candidates in (1, 2, 30):
        slate = SlateInputs(
            member_tokens=random.standard_normal(scorer.member_token_size, np.float32),
            activity_tokens=random.standard_normal(scorer.activity_size, np.float32),
            activity_times=as_of() - 1 - np.arange(scorer.activities)[::-1],
            as_of=as_of(),
            item_tokens=random.standard_normal((candidates, scorer.item_token_size), np.float32),
            item_known=np.ones(candidates, bool),
            features={"device": "phone"},
            surface="push",
            time=as_of(),
        )
        with torch.no_grad():
            expected = model.ranker(scorer.arguments([slate]))[0]
        np.testing.assert_allclose(scorer.logits(slate), expected, rtol=0, atol=1e-6)


def test_unknown_nodes_score_as_the_cold_tokens_do(scorer: Scorer) -> None:
    given = inputs(-1, [-1])
    unknown = replace(
        given,
        member_tokens=None,
        activity_tokens=None,
        activity_times=None,
        as_of=None,
        item_tokens=np.full_like(given.item_tokens, np.nan),
        item_known=np.zeros(1, bool),
    )
    np.testing.assert_allclose(scorer.score(unknown)["click"], scorer.score(given)["click"], atol=1e-6)


def test_how_old_the_members_state_is_counts(scorer: Scorer) -> None:
    given = inputs(2, [0], as_of() + 3_600_000_000)
    older = replace(given, as_of=as_of() - 86_400_000_000)
    assert scorer.score(older)["click"] != scorer.score(given)["click"]


def test_a_slate_equals_slates_of_one(scorer: Scorer) -> None:
    together = scorer.score(inputs(2, [0, 1, 5]))["click"]
    alone = [scorer.score(inputs(2, [item]))["click"][0] for item in (0, 1, 5)]
    assert len(set(np.round(together, 4))) == 3
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_activities_at_or_after_the_request_are_not_seen(scorer: Scorer) -> None:
    given = inputs(2, [0])
    times, tokens = given.activity_times, given.activity_tokens
    assert times is not None
    assert tokens is not None
    assert (times > 0).all()
    changed = tokens.reshape(len(times), -1).copy()
    changed[-1] = 99.0
    for time, same in ((int(times[-1]), True), (int(times[-1]) + 1, False)):
        before = replace(given, time=time)
        after = replace(before, activity_tokens=changed.ravel())
        assert (scorer.score(after)["click"] == scorer.score(before)["click"]).all() == same


def with_trees() -> Model:
    """The shared model with trees that were fitted on its graph's labels."""
    graph, model, training = shared_graph(), shared_model(), TrainingConfig()
    values = SeedValues(model.ranker.config, model.schema, model.encoding, graph)
    with small_leaves():
        found = search_tasks(graph, values, training, graph.seeds.rows("validate"), trials=1)
    return replace(model, trees=Trees(dict.fromkeys(model.tasks, 0.25), values.inputs.names, found.tasks, {}))


def test_trees_count_with_their_weight_in_slates_of_any_size(scorer: Scorer, tmp_path: Path) -> None:
    model = with_trees()
    assert model.trees is not None
    product = Scorer(save_model(model, tmp_path / "model"))
    slates = [inputs(2, [0, 4, -1, 7]), inputs(3, [5]), replace(inputs(0, [1, 2]), member_tokens=None)]
    columns = TreeInputs.of(model.ranker.config, model.schema, model.encoding)
    found = product.logits_many(slates)
    moved = 0.0
    for slate, logits in zip(slates, found, strict=True):
        trees = model.trees.logits(columns.values(product.arguments([slate]))[0])
        network = scorer.logits(slate)
        np.testing.assert_allclose(logits, 0.75 * network + 0.25 * trees, rtol=0, atol=1e-5)
        np.testing.assert_allclose(product.logits(slate), logits, rtol=0, atol=1e-5)
        moved += float(np.ptp(trees))
    assert moved > 0
    assert product.encoder == scorer.encoder


def test_trees_that_serve_alone_are_scored_without_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_trees()
    assert model.trees is not None
    trees = replace(model.trees, weights=dict.fromkeys(model.tasks, 1.0))
    product = Scorer(save_model(replace(model, trees=trees), tmp_path / "model"))
    monkeypatch.setattr(product, "_decode", None)  # the network would fail
    slates = [inputs(2, [0, 4, -1, 7]), inputs(3, [5])]
    columns = TreeInputs.of(model.ranker.config, model.schema, model.encoding)
    for slate, logits in zip(slates, product.logits_many(slates), strict=True):
        alone = trees.logits(columns.values(product.arguments([slate]))[0]).astype(np.float32)
        np.testing.assert_array_equal(logits, alone)


def test_a_changed_artifact_is_refused(tmp_path: Path) -> None:
    folder = save_model(shared_model(), tmp_path / "model")
    (folder / "calibration.json").write_text('{"method": "platt", "tasks": []}', encoding="utf-8")
    with pytest.raises(ArtifactError, match="sha256"):
        Scorer(folder)


@pytest.mark.parametrize("exposures", [None, "member_counts_exposures"])
def test_candidates_that_nobody_was_shown_have_their_own_calibration(tmp_path: Path, exposures: str | None) -> None:
    """The rule of ``models.training.cold``, by the column that counts exposures and by missing vectors."""
    model = shared_model()
    schema = replace(model.schema, seeds=replace(model.schema.seeds, exposures=exposures))
    apart = replace(model.calibration, cold={"click": Platt(1.0, -5.0)})
    plain = Scorer(save_model(model, tmp_path / "plain"))
    scorer = Scorer(save_model(replace(model, schema=schema, calibration=apart), tmp_path / "model"))
    counted = {"member_counts_exposures": np.array([2.0, 0.0, np.nan, 5.0], np.float32)}
    given = replace(inputs(0, [0, 1, 2, 3]), features=counted, item_known=np.array([True, True, True, False]))
    found, before = scorer.score(given), plain.score(given)
    cold = [False, exposures is not None, exposures is not None, True]
    assert ((found["click"] < before["click"] - 0.01) == cold).all()
    np.testing.assert_array_equal(found["click"][~np.array(cold)], before["click"][~np.array(cold)])
    np.testing.assert_array_equal(found["dwell"], before["dwell"])
