import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trees.errors import TreesError
from models.trees.forest import Forest
from models.trees.text import Tree, read_trees

COLUMNS = 5


def rows(seed: int, count: int = 400) -> np.ndarray:
    """Numbers, some missing or at a threshold, and codes in the last column, some of which no fit has seen."""
    random = np.random.default_rng(seed)
    values = np.round(random.normal(size=(count, COLUMNS)), 1).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    values[:, -1] = random.integers(0, 40 if seed else 20, count)
    return values


def booster(seed: int = 0, **parameters: object) -> lightgbm.Booster:
    values = rows(seed)
    labels = (np.nan_to_num(values[:, 0]) + (values[:, -1] % 3 == 0) + rows(seed + 9)[:, 1] > 0.5).astype(float)
    fixed = {"objective": "binary", "num_leaves": 9, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    dataset = lightgbm.Dataset(values, labels, categorical_feature=[COLUMNS - 1])
    return lightgbm.train({**fixed, **parameters}, dataset, 12)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(1, 1000), count=st.integers(1, 1500), leaves=st.integers(2, 40))
def test_rows_score_as_lightgbm_scores_them_bit_for_bit(seed: int, count: int, leaves: int) -> None:
    fitted, values = booster(num_leaves=leaves, cat_smooth=1.0, min_data_per_group=5), rows(seed, count)
    trees = read_trees(fitted.model_to_string(), COLUMNS)
    found = Forest([trees[:5], [], trees], COLUMNS).logits(values)
    np.testing.assert_array_equal(found[:, 2], fitted.predict(values, raw_score=True))
    np.testing.assert_array_equal(found[:, 0], fitted.predict(values, raw_score=True, num_iteration=5))
    assert (found[:, 1] == 0).all()
    alone = Forest([trees], COLUMNS).logits(values[-1:])
    np.testing.assert_array_equal(alone[0], found[-1:, 2])


def test_without_missing_numbers_in_training_one_is_read_as_zero() -> None:
    values = np.abs(np.nan_to_num(rows(1))) - 0.35
    fitted = lightgbm.train(
        {"objective": "binary", "min_data_in_leaf": 5, "verbosity": -1},
        lightgbm.Dataset(values, values[:, 0] > 0.4),
        5,
    )
    values[:50, 0], values[50, 0] = np.nan, np.inf
    found = Forest([read_trees(fitted.model_to_string(), COLUMNS)], COLUMNS).logits(values)[:, 0]
    np.testing.assert_array_equal(found, fitted.predict(values, raw_score=True))


def test_codes_that_are_none_are_in_no_set() -> None:
    fitted = booster(cat_smooth=1.0, min_data_per_group=5)
    values = rows(1)
    values[:6, -1] = [-1.0, np.nan, 1e9, 3e38, 31.0, 32.0]
    found = Forest([read_trees(fitted.model_to_string(), COLUMNS)], COLUMNS).logits(values)[:, 0]
    keep = np.arange(len(values)) != 3  # LightGBM leaves a code beyond int32 undefined
    np.testing.assert_array_equal(found[keep], fitted.predict(values, raw_score=True)[keep])


def test_no_rows_no_trees_and_trees_of_one_leaf() -> None:
    forest = Forest([[Tree.leaf(0.25), Tree.leaf(0.5)], []], COLUMNS)
    assert forest.logits(rows(0, 0)).shape == (0, 2)
    np.testing.assert_array_equal(forest.logits(rows(0, 3)), [[0.75, 0.0]] * 3)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("max_feature_idx=4", "max_feature_idx=5", "max_feature_idx=4"),
        ("num_class=1", "num_class=3", "num_class=1"),
        ("split_feature=", "split_feature=9 ", "numbers in a line"),
        ("num_leaves=9", "num_leaves=900", "leaves"),
        ("num_leaves=9", "num_leaves=0", "leaves"),
        ("left_child=1 ", "left_child=0 ", "each node and leaf once"),
        ("left_child=", "no_child=", "left_child"),
        ("leaf_value=", "leaf_value=nan ", "numbers in a line"),
        ("is_linear=0", "is_linear=1", "constant leaves"),
        ("objective=binary sigmoid:1", "average_output", "a sum of trees"),
        ("num_cat=1", "num_cat=x", "invalid literal"),
    ],
)
def test_a_text_that_is_no_such_model_is_refused(before: str, after: str, reason: str) -> None:
    text = booster(cat_smooth=1.0, min_data_per_group=5, min_data_in_leaf=1).model_to_string()
    assert before in text
    with pytest.raises(TreesError, match=reason):
        read_trees(text.replace(before, after, 1), COLUMNS)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_damaged_text_is_refused_or_scores(data: st.DataObject) -> None:
    text = booster().model_to_string().partition("end of trees")[0]
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("0-9. \n=ea\x00")) + text[place + data.draw(st.integers(0, 9)) :]
    try:
        trees = read_trees(changed, COLUMNS)
    except TreesError:
        return
    assert Forest([trees], COLUMNS).logits(rows(2)).shape == (400, 1)
