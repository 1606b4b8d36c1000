"""The lifts of the study."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies.online.arms import ARMS, REFERENCE
from benchmarks.studies.online.table import DIFFERENCES, OTHERS, compared, draw


def sessions(lift, seed=0, count=400):
    """Sessions in which the reference arm is ``lift`` times as good as all others."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.1, 0.3, count)
    names = dict.fromkeys((*DIFFERENCES, *OTHERS), base)
    arm = rng.integers(0, len(ARMS), count)
    frame = pd.DataFrame({REFERENCE: base * lift, **names, "arm": arm, "member": rng.integers(0, 50, count)})
    return frame.assign(day=np.arange(count) % 3, clicked=(rng.random(count) < base).astype(int))


def test_the_lift_is_that_of_the_means_and_paired():
    found = compared([sessions(1.2), sessions(1.2, seed=1)], REFERENCE)
    for name in DIFFERENCES:
        assert found[name].value == pytest.approx(0.2)
        assert found[name].high - found[name].low < 1e-9
        assert found[name].clusters > 50  # the members of two worlds are not the same


def test_no_difference_has_an_interval_around_zero():
    rng = np.random.default_rng(2)
    frame = sessions(1.0)
    found = compared([frame.assign(**{REFERENCE: frame[REFERENCE] + rng.normal(0, 0.02, len(frame))})], REFERENCE)
    assert all(found[name].low < 0 < found[name].high for name in DIFFERENCES)


def test_the_picture_is_the_same_for_the_same_sessions():
    frame = sessions(1.1).assign(who=lambda frame: frame["member"])
    found = compared([frame], REFERENCE)
    assert draw(frame, found) == draw(frame, found)
