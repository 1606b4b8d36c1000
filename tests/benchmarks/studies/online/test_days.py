"""The days of a run, without models: each arm chooses by a rule."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies.online.arms import Arm
from benchmarks.studies.online.days import Run
from benchmarks.studies.online.world import FIRST, GrowingTables, candidates, date_of, make_world
from benchmarks.studies.study import ROOT
from feature_repo.sources.world.draw import DAY
from models.spec import load_spec

ARMS = (Arm("first", ""), Arm("last", ""))


class Rules(Run):
    """The first arm shows the first candidate, the other one the last."""

    def _night(self, day):
        return None

    def _choices(self, day, night):
        rows = candidates(self._live, day).groupby("session")["item"]
        return {"first": rows.first().to_numpy(), "last": rows.last().to_numpy()}


def run(folder):
    spec, live = load_spec(ROOT / "configs" / "professional.yaml"), make_world("tiny", 2, 3, drift=True)
    return Rules(spec, live, ARMS, folder, seed=3)


def quiet(line):
    """Print nothing."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("online")
    return folder, run(folder).days(2, quiet)


def test_members_are_shown_what_their_own_arm_chooses(shown):
    _, found = shown
    assert set(found["day"]) == {0, 1}
    assert (found.groupby("member")["arm"].nunique() == 1).all()
    assert found["arm"].nunique() == 2
    for place, arm in enumerate(ARMS):
        own = found[found["arm"] == place]
        assert np.allclose(own[arm.name], own["probability"])
    assert (found["oracle"] >= found[["first", "last"]].max(axis=1)).all()


def test_a_run_that_was_ended_goes_on_as_if_it_had_not(shown):
    folder, found = shown
    (folder / "days" / "001.parquet").unlink()
    pd.testing.assert_frame_equal(run(folder).days(2, quiet), found)


def test_what_a_day_showed_is_in_the_next_days_tables(shown, tmp_path):
    _, found = shown
    spec, live = load_spec(ROOT / "configs" / "professional.yaml"), make_world("tiny", 2, 3, drift=True)
    tables = GrowingTables(live, spec, tmp_path, 3)
    tables.write(0, found[:0])
    tables.write(1, found[found["day"] == 0])
    parts = [pd.read_parquet(tmp_path / "impressions" / f"{date_of(day)}.parquet") for day in (0, 1)]
    assert (parts[0]["time"] < pd.Timestamp(date_of(0), tz="UTC")).all()
    assert len(parts[1]) == (found["day"] == 0).sum()
    assert not set(parts[0]["impression_id"]) & set(parts[1]["impression_id"])


def test_candidates_are_those_of_the_days_sessions(shown):
    live = make_world("tiny", 2, 3, drift=True)
    rows = candidates(live, 1)
    assert ((rows["time"] >= (FIRST + 1) * DAY) & (rows["time"] < (FIRST + 2) * DAY)).all()
    assert len(rows) == (live.sessions.candidates[live.day(FIRST + 1)] >= 0).sum()
