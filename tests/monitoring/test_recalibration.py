"""A new calibration repairs a shift, and is judged on members that did not fit it."""

from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from models.calibration import Calibration, Platt
from models.profile import ColumnProfiles
from models.time_units import DAY
from monitoring.profiles import VersionProfile
from monitoring.recalibration import read_settled, recalibrate, recalibrated_profile
from tests.monitoring.fakes import sigmoid, small_spec

SPEC = small_spec()
BEFORE = Calibration({"click": Platt(0.8, -0.3), "like": Platt(1.2, 0.1)})
START = 1_767_744_000_000_000


def served(rows: int = 6000, off: float = 0.5, scale: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Rows whose served click probability is off by a shift (and a scale) of its logit; a like needs a click."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(-1.5, 1, rows)
    click = (generator.random(rows) < sigmoid(truth)).astype(float)
    like = np.where(click == 1, (generator.random(rows) < 0.3).astype(float), np.nan)
    whole = {"probability_click": sigmoid(scale * truth + off), "label_click": click}
    whole |= {"probability_like": np.full(rows, 0.3) + 0.1 * generator.random(rows), "label_like": like}
    keys = {"served": START + np.arange(rows), "member": generator.integers(0, 400, rows)}
    return pd.DataFrame({**keys, "surface": generator.choice(SPEC.impressions.surfaces, rows), **whole})


def test_a_shift_is_undone_on_top_of_the_old_calibration() -> None:
    rows = served(off=0.5)
    found = recalibrate(SPEC, rows, BEFORE, "3", best="2")
    assert found.verdict.promoted, found.verdict.reasons
    logits = (np.log(rows["probability_click"] / (1 - rows["probability_click"])) + 0.3) / 0.8  # the model's own
    new = found.calibration.tasks["click"].apply(logits.to_numpy())
    assert new.sum() / rows["label_click"].sum() == pytest.approx(1, abs=0.06)
    assert (found.verdict.versions, found.verdict.best) == ({"champion": "3"}, "2")
    ratio = found.verdict.metrics["tasks"]["click"]["ratio"]
    assert ratio["low"] < 1 < ratio["high"]


def test_rows_that_judge_did_not_fit() -> None:
    """The labels of the judging half change nothing but the verdict."""
    rows = served()
    found = recalibrate(SPEC, rows, BEFORE, "3")
    judging = np.array([not crc32(str(member).encode()) & 1 for member in rows["member"]])
    assert (found.rows, found.verdict.window["rows"]) == ((~judging).sum(), judging.sum())
    odd = judging & (np.arange(len(rows)) % 50 == 0)
    changed = recalibrate(SPEC, rows.assign(label_click=np.where(odd, 0.0, rows["label_click"])), BEFORE, "3")
    assert changed.calibration == found.calibration
    assert changed.verdict != found.verdict


def test_a_calibration_that_makes_the_other_half_worse_is_held() -> None:
    """Half of the members click as predicted, the others not at all: no one calibration is right."""
    rows = served(off=0.0)
    fits = np.array([bool(crc32(str(member).encode()) & 1) for member in rows["member"]])
    rows["label_click"] = np.where(fits & (np.arange(len(rows)) % 20 > 0), 0.0, rows["label_click"])
    found = recalibrate(SPEC, rows, BEFORE, "3")
    assert not found.verdict.promoted
    assert found.calibration.tasks["click"] == BEFORE.tasks["click"]
    assert "No task has a lower log loss with a new calibration." in found.verdict.reasons


@pytest.mark.parametrize(("off", "scale"), [(0.5, 1.0), (-0.8, 1.0), (0.3, 1.6)])
def test_a_new_calibration_has_a_profile_of_its_own(off: float, scale: float) -> None:
    old = {"mean": 0.5, "error": 0.01}
    before = VersionProfile(
        ColumnProfiles({"hour": {"rows": 1}}),
        labels={"click": {"all": [0.2, 0.3]}},
        predictions={task: {"all": {"mean": [0.9, 0.9]}, "gone": {}} for task in SPEC.tasks},
        calibration={task: {"all": old} for task in SPEC.tasks},
    )
    found = recalibrate(SPEC, served(off=off, scale=scale), BEFORE, "3")
    after = recalibrated_profile(before, found)
    assert "click" in found.judged
    assert after.calibration["click"]["all"]["mean"] == pytest.approx(0.0, abs=0.08)
    assert after.predictions["click"].keys() == {"all", *SPEC.impressions.surfaces}
    low, high = after.predictions["click"]["all"]["mean"]
    assert 0.15 < low <= high < 0.35
    assert ("like" in found.judged) == (after.calibration["like"] != {"all": old})
    assert (after.columns, after.labels) == (before.columns, before.labels)


def test_a_calibration_that_is_held_leaves_the_profile() -> None:
    before = VersionProfile(ColumnProfiles({}), calibration={"click": {"all": {"mean": 0.5}}})
    assert recalibrated_profile(before, recalibrate(SPEC, served(0), BEFORE, "3")) == before


@pytest.mark.parametrize("rows", [0, 60])
def test_too_few_rows_hold_it(rows: int) -> None:
    found = recalibrate(SPEC, served(rows), BEFORE, "3")
    assert not found.verdict.promoted
    assert any("at least 100 are needed" in reason for reason in found.verdict.reasons)
    assert rows or found.calibration == BEFORE


def test_only_settled_rows_of_the_version_are_read(tmp_path: Path) -> None:
    rows = served(100).assign(model_version="3", fallback=False)
    rows.loc[:9, "model_version"] = "2"
    rows.loc[10:19, "fallback"] = True
    rows.loc[20:29, ["label_click", "label_like"]] = np.nan
    rows.to_parquet(tmp_path / "day=2026-01-07.parquet")
    rows.assign(served=rows["served"] - DAY).to_parquet(tmp_path / "day=2026-01-06.parquet")
    found = read_settled(SPEC, tmp_path, "3", START)
    assert found["served"].tolist() == (START + np.arange(30, 100)).tolist()
    assert len(read_settled(SPEC, tmp_path, "3", START - DAY)) == 140
    assert read_settled(SPEC, tmp_path / "none", "3", 0).empty
