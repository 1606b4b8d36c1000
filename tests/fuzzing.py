"""Examples of property tests and fuzzers: the same ones in every run, fresh ones with HYPOTHESIS_PROFILE=nightly.

``make fuzz`` draws ten times as many examples from a seed that it prints; ``FUZZ_SEED`` repeats a run.
"""

import os
import secrets
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, seed, settings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
FACTOR = 10
"""How many times as many examples the nightly profile draws."""
if NIGHTLY:  # in the environment, so that parallel workers draw from the same seed
    os.environ.setdefault("FUZZ_SEED", str(secrets.randbelow(2**31)))
SEED = int(os.environ.get("FUZZ_SEED", "0"))

settings.register_profile("default", derandomize=True, database=None, deadline=None)
settings.register_profile("nightly", derandomize=False, database=None, deadline=None, print_blob=True)


def load_profile() -> None:
    """Load the profile; before any test module is imported, since ``@settings`` takes its defaults from it."""
    settings.load_profile("nightly" if NIGHTLY else "default")


def seeds(count: int) -> list[Any]:
    """``count`` seeds to parametrize a test with that draws its own random data: 0, 1, ... or fresh ones."""
    numbers = range(SEED, SEED + count * FACTOR) if NIGHTLY else range(count)
    return [pytest.param(number, marks=pytest.mark.fuzz) for number in numbers]


def prepare(item: pytest.Item) -> None:
    """Mark a property test as ``fuzz``; in the nightly profile, give it more examples from the run's seed."""
    test = getattr(item, "obj", None)
    if not is_hypothesis_test(test):
        return
    item.add_marker("fuzz")
    if NIGHTLY and not hasattr(test, "_fuzzed"):  # a parametrized test is one function
        test._fuzzed = True
        used: settings = test._hypothesis_internal_use_settings
        test._hypothesis_internal_use_settings = settings(
            used, max_examples=used.max_examples * FACTOR, derandomize=False, database=None
        )
        seed(SEED)(test)
