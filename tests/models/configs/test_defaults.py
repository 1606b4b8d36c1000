"""What the size of the data decides: each rule at its edges, and nothing that the spec gives."""

import pytest

from models.configs.bounds import bounds_of
from models.configs.defaults import DECIDED, DataSize, decide, id_buckets
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig

MODEL, TRAINING = ModelConfig(), TrainingConfig()
EMPTY = DataSize(rows=0, members=0, activities=0.0, new_items=0.0)


def _values(size: DataSize, **given: int) -> dict[str, float]:
    found = decide(size, DECIDED, ModelConfig(**given), TRAINING)  # type: ignore[arg-type]
    assert all(decision.reason for decision in found.values())
    return {key.split(".")[1]: decision.value for key, decision in found.items()}


@pytest.mark.parametrize(("rows", "members", "epochs"), [(199, 10, 2), (200, 10, 4), (0, 0, 2)])
def test_members_with_few_rows_get_few_epochs(rows: int, members: int, epochs: int) -> None:
    assert _values(DataSize(rows, members, 0.0, 0.0))["epochs"] == epochs


@pytest.mark.parametrize(
    ("rows", "batch", "rate"),
    [(0, 512, 0.0021), (102_399, 512, 0.0021), (102_400, 1024, 0.003), (204_800, 2048, 0.0042), (10**9, 4096, 0.006)],
)
def test_an_epoch_has_a_hundred_steps_and_the_learning_rate_follows_the_batch(
    rows: int, batch: int, rate: float
) -> None:
    found = _values(DataSize(rows, 1, 0.0, 0.0))
    assert (found["batch_size"], found["learning_rate"]) == (batch, rate)


@pytest.mark.parametrize(("engagements", "activities"), [(0.0, 10), (10.0, 10), (10.5, 20), (50.0, 50), (900.0, 50)])
def test_most_members_activities_fit_in_steps_of_ten(engagements: float, activities: int) -> None:
    assert _values(DataSize(1, 1, engagements, 0.0))["activities"] == activities


def test_a_given_key_stays_and_others_follow_it() -> None:
    found = decide(DataSize(10**9, 1, 0.0, 0.0), ["training.learning_rate"], MODEL, TrainingConfig(batch_size=1024))
    assert {key: decision.value for key, decision in found.items()} == {"training.learning_rate": 0.003}
    assert decide(EMPTY, [], MODEL, TRAINING) == {}
    assert _values(EMPTY, long_term=10)["activities"] == 11


@pytest.mark.parametrize(("rows", "trees"), [(0, False), (3099, False), (3100, True)])
def test_trees_are_on_where_rows_are_enough_for_them(rows: int, trees: bool) -> None:
    assert _values(DataSize(rows, 1, 0.0, 0.0))["trees"] is trees


@pytest.mark.parametrize(
    ("rows", "new_items", "share"), [(0, 0.0, 0.0), (9_999, 0.0, 0.0), (10_000, 0.0999, 0.15), (10_000, 0.1, 0.0)]
)
def test_twins_teach_new_items_where_few_rows_do(rows: int, new_items: float, share: float) -> None:
    assert _values(DataSize(rows, 1, 0.0, new_items))["cold_share"] == share


@pytest.mark.parametrize(
    ("rows", "new_members", "share"), [(0, 1.0, 0.0), (9_999, 1.0, 0.0), (10_000, 0.0999, 0.0), (10_000, 0.1, 0.15)]
)
def test_twins_of_members_teach_new_members_where_many_rows_are_theirs(
    rows: int, new_members: float, share: float
) -> None:
    assert _values(DataSize(rows, 1, 0.0, 0.0, new_members))["cold_member_share"] == share


def test_every_value_is_within_its_bounds() -> None:
    bounds = {**bounds_of(ModelConfig), **bounds_of(TrainingConfig)}
    for size in (EMPTY, DataSize(10**10, 10**9, 1e6, 0.0)):
        assert all(bounds[name].holds(value) for name, value in _values(size).items())


@pytest.mark.parametrize(
    ("nodes", "rows", "buckets"),
    [(0, 0.0, 0), (5000, 19.5, 0), (5000, 20.0, 16384), (3, 99.0, 64), (10**8, 99.0, 2**18)],
)
def test_ids_are_on_where_most_rows_keys_were_often_seen(nodes: int, rows: float, buckets: int) -> None:
    assert id_buckets(nodes, rows).value == buckets
