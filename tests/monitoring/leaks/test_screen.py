"""A planted leak is named, twenty clean columns are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.spec.errors import SpecError
from tests.monitoring.leaks.products import rows_of, screened, spec_of


def leak_of_session(frame: pd.DataFrame) -> np.ndarray:
    """How much there was in the session, of which a click makes more."""
    return frame["click"] * 3 + np.random.default_rng(1).poisson(1, len(frame)) * 0.5


@pytest.mark.parametrize("rows", [400, 3000])
@pytest.mark.parametrize("strength", [0.3, 1.6, 3.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_twenty_clean_columns_are_not_named(rows: int, strength: float, seed: int, tmp_path: Path) -> None:
    frame = rows_of(rows, strength=strength, seed=seed)
    found = screened(frame, spec_of(), tmp_path)
    assert found["found"] == []
    assert found["columns"] == 20


def test_a_column_that_alone_knows_the_outcome_is_named_until_it_is_released(tmp_path: Path) -> None:
    frame = rows_of().pipe(lambda rows: rows.assign(session_events=leak_of_session(rows)))
    (found,) = screened(frame, spec_of(session_events="number"), tmp_path)["found"]
    assert (found["column"], found["task"], found["rule"]) == ("session_events", "click", "alone")
    assert "add it to `impressions.known_at_request`" in found["sentence"]
    released = screened(frame, spec_of(["session_events"], session_events="number"), tmp_path)
    assert (released["found"], released["released"]) == ([], ["session_events"])


@pytest.mark.parametrize("kind", ["category", "missing"])
def test_a_category_and_a_missing_value_leak_too(kind: str, tmp_path: Path) -> None:
    frame = rows_of()
    opened = np.where(frame["click"] == 1, "opened", "closed")
    frame["state"] = opened if kind == "category" else np.where(frame["click"] == 1, 1.5, np.nan)
    found = screened(frame, spec_of(state="category" if kind == "category" else "number"), tmp_path)
    assert [(one["column"], one["rule"]) for one in found["found"]] == [("state", "alone")]


def test_a_total_that_counts_the_row_itself_jumps_before_the_outcome_has_settled(tmp_path: Path) -> None:
    frame = rows_of()
    base = np.random.default_rng(2).integers(0, 1000, 200)[frame["member"]]
    frame["clicks"] = base + frame.groupby("member")["click"].cumsum()
    (found,) = screened(frame, spec_of(clicks="number"), tmp_path)["found"]
    assert (found["column"], found["rule"]) == ("clicks", "jump")
    frame["clicks"] -= frame["click"]  # strictly before
    assert screened(frame, spec_of(clicks="number"), tmp_path)["found"] == []


def test_a_column_that_was_filled_in_afterwards_is_named_by_train(tmp_path: Path) -> None:
    frame = rows_of(strength=0.5)
    noise = np.random.default_rng(3).normal(0, 0.4, len(frame))
    frame["total"] = np.where(frame["window"] == "train", frame["click"] + noise, noise)
    (found,) = screened(frame, spec_of(total="number"), tmp_path)["found"]
    assert (found["column"], found["rule"]) == ("total", "train")
    assert found["auc"] > 0.9 > found["without"]


def test_a_column_that_is_far_better_than_a_model_of_all_others_is_named(tmp_path: Path) -> None:
    frame = rows_of(strength=0.8)
    noise = np.random.default_rng(4).normal(0, 0.5, len(frame))
    frame["total"] = frame["click"] + noise
    labels = frame["click"].to_numpy(float)
    assert metrics.auc(labels, frame["total"].to_numpy()) < 0.95
    (found,) = screened(frame, spec_of(total="number"), tmp_path)["found"]
    assert (found["column"], found["rule"]) == ("total", "better")


@pytest.mark.parametrize("change", ["no validate", "one class", "no rows"])
def test_what_cannot_be_measured_is_told_and_names_nothing(change: str, tmp_path: Path) -> None:
    frame = rows_of(600).pipe(lambda rows: rows.assign(session_events=leak_of_session(rows)))
    if change == "one class":
        frame["click"] = frame["click"].where(frame["window"] == "train", 0)
    frame = {"no validate": frame[frame["window"] == "train"], "no rows": frame.head(0)}.get(change, frame)
    found = screened(frame, spec_of(session_events="number"), tmp_path)
    assert found["found"] == []
    assert "click was not screened" in found["notes"][0]


def test_infinities_and_large_numbers_are_read(tmp_path: Path) -> None:
    frame = rows_of(600)
    frame["odd"] = np.where(frame["click"] == 1, np.inf, 1e300)
    assert screened(frame, spec_of(odd="number"), tmp_path)["found"][0]["column"] == "odd"


def test_a_name_that_is_no_feature_is_refused() -> None:
    with pytest.raises(SpecError, match=r"known_at_request\.0.*expected a column of the context"):
        spec_of(["sesion_events"], session_events="number")
