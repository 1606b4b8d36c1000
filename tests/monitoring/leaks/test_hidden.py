"""Leaks that hide: behind a copy, in the positives alone, on one surface, in a text."""

from pathlib import Path

import numpy as np
import pytest

from tests.monitoring.leaks.products import rows_of, screened, spec_of


def noisy(click: np.ndarray, seed: int) -> np.ndarray:
    return click + np.random.default_rng(seed).normal(0, 0.45, len(click))


@pytest.mark.parametrize("other", ["milliseconds", "rounded", "another leak"])
def test_two_leaks_do_not_hide_each_other(other: str, tmp_path: Path) -> None:
    frame = rows_of(strength=0.8)
    seconds = noisy(frame["click"].to_numpy(), 4)
    copies = {"milliseconds": 1000 * seconds, "rounded": seconds.round(1)}
    again = copies.get(other, noisy(frame["click"].to_numpy(), 5))
    frame = frame.assign(seconds=seconds, again=again)
    found = screened(frame, spec_of(seconds="number", again="number"), tmp_path)["found"]
    assert {one["column"] for one in found} == {"seconds", "again"}
    assert {one["rule"] for one in found} <= {"better", "train"}


def test_a_weaker_copy_of_a_suspect_is_not_beside_it(tmp_path: Path) -> None:
    frame = rows_of(strength=0.8)
    seconds = noisy(frame["click"].to_numpy(), 4)
    frame = frame.assign(seconds=seconds, again=seconds + np.random.default_rng(6).normal(0, 0.16, len(frame)))
    found = screened(frame, spec_of(seconds="number", again="number"), tmp_path)["found"]
    assert "seconds" in [one["column"] for one in found]


@pytest.mark.parametrize("kind", ["number", "category", "dwell"])
def test_what_only_positives_have_is_named(kind: str, tmp_path: Path) -> None:
    frame, draws = rows_of(strength=0.8), np.random.default_rng(7)
    has = (frame["click"] == 1) & (draws.random(len(frame)) < 0.7)
    values = {"number": np.where(has, 1.0, np.nan), "category": np.where(has, "opened", None)}
    frame["x"] = values.get(kind, np.where(has, draws.exponential(9, len(frame)), np.nan))
    (found,) = screened(frame, spec_of(x="category" if kind == "category" else "number"), tmp_path)["found"]
    assert (found["column"], found["rule"]) == ("x", "pure")
    assert 0.75 < found["auc"] < 0.9
    assert "100.0% of the validate rows with them" in found["sentence"]


def test_a_leak_on_one_surface_is_named_with_the_surface(tmp_path: Path) -> None:
    frame, draws = rows_of(strength=0.8), np.random.default_rng(8)
    email = draws.random(len(frame)) < 0.2
    frame["surface"] = np.where(email, "email", "feed")
    frame["x"] = np.where(email, frame["click"], draws.integers(0, 2, len(frame))).astype(float)
    (found,) = screened(frame, spec_of(x="number"), tmp_path)["found"]
    assert (found["column"], found["rule"], found["surface"]) == ("x", "alone", "email")
    assert "on the surface email" in found["sentence"]


@pytest.mark.parametrize("text", ["words", "presence", "blank"])
def test_a_text_leaks_by_its_words_and_by_its_presence(text: str, tmp_path: Path) -> None:
    frame = rows_of(4000)
    click, number = frame["click"] == 1, np.char.mod("reply %d", np.arange(len(frame))).astype(object)
    words = np.where(click, "opened", "closed")
    frame["x"] = {"words": words, "presence": np.where(click, number, None)}.get(text, np.where(click, number, "  "))
    (found,) = screened(frame, spec_of(x="text"), tmp_path)["found"]
    assert (found["column"], found["rule"]) == ("x", "alone")
