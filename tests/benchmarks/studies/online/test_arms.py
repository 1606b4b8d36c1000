"""Which model and which vectors an arm has on a day."""

import pytest

from benchmarks.studies.online.arms import ARMS, Arm


@pytest.mark.parametrize(
    ("arm", "trained", "vectors"),
    [
        (Arm("weekly", ""), 7, 9),
        (Arm("old vectors", "", refreshed_every=7), 7, 7),
        (Arm("three days", "", refreshed_every=3), 7, 9),
        (Arm("once", "", trained_every=None), 0, 9),
    ],
)
def test_the_tenth_day(arm, trained, vectors):
    assert (arm.training_day(9), arm.vectors_day(9)) == (trained, vectors)


def test_a_new_model_comes_with_new_vectors():
    assert Arm("", "", trained_every=5, refreshed_every=7).vectors_day(6) == 5


def test_every_arm_has_a_model_on_the_first_day():
    assert {(arm.training_day(0), arm.vectors_day(0)) for arm in ARMS} == {(0, 0)}
