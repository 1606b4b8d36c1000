"""The simulated news site, and the adapter that a team would write for its log."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies.articles.adapter import ALIVE, TABLES, check_options, drawn, read
from benchmarks.studies.articles.prepare import spec_drawn
from benchmarks.studies.articles.world import HOUR, SIZES, World, simulate, write_log
from feature_repo.sources.errors import SourceError
from models import metrics

START = pd.Timestamp("2026-03-02", tz="UTC")
NEGATIVES = 4


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(SIZES["tiny"], 4, seed=3)


@pytest.fixture(scope="module")
def raw(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(world, tmp_path_factory.mktemp("log") / "raw", START)


def test_the_same_seed_makes_the_same_log(world: World) -> None:
    pd.testing.assert_frame_equal(world.clicks, simulate(SIZES["tiny"], 4, seed=3).clicks)
    assert not world.clicks.equals(simulate(SIZES["tiny"], 4, seed=4).clicks)


def test_an_article_rises_and_decays_within_hours(world: World) -> None:
    reader, article = np.zeros(6, np.int64), np.full(6, 5)
    hours = np.array([0, 0.05, 2, 8, 30, 37])
    appeal = world.appeal(reader, article, world.published[5] + (hours * HOUR).astype(np.int64))
    assert np.isinf(appeal).tolist() == [True, False, False, False, False, True]
    assert appeal[1] < appeal[2] > appeal[3] > appeal[4]
    clicks = world.clicks
    age = clicks["time"].to_numpy() - world.published[clicks["article_id"]]
    assert (age > 0).all()
    assert np.median(age) < 12 * HOUR


def test_nobody_reads_an_article_twice(world: World) -> None:
    assert not world.clicks.duplicated(["user_id", "article_id"]).any()
    assert world.clicks["time"].is_monotonic_increasing


@pytest.mark.parametrize("how", ["uniform", "popular"])
def test_negatives_are_alive_and_were_not_clicked(raw: Path, how: str) -> None:
    tables = read(spec_drawn(how, 7), raw)
    assert {name: tuple(frame.columns) for name, frame in tables.items()} == TABLES
    shown = tables["impressions"]
    published = tables["articles"].set_index("article_id")["valid_from"].loc[shown["article_id"]].to_numpy()
    age = shown["time"].to_numpy() - published
    negative = shown["clicked"] == 0
    assert (age[negative] > pd.Timedelta(0)).all()
    assert (age[negative] <= pd.Timedelta(ALIVE, "us")).all()
    assert (shown["settled_time"] >= shown["time"]).all()
    clicked = shown[~negative]
    groups = shown.groupby(["user_id", "time"])
    assert (groups["clicked"].sum() >= 1).all()
    assert (groups["article_id"].nunique() == groups.size()).all()
    assert negative.sum() == pytest.approx(NEGATIVES * len(clicked), rel=0.2)  # few are popular in a tiny log
    both = shown[negative].merge(clicked, on=["user_id", "article_id"])
    assert (both["time_x"] < both["time_y"]).all()  # read later, if at all


def test_popular_negatives_are_more_popular(raw: Path) -> None:
    clicks = pd.read_parquet(raw / "clicks.parquet").groupby("article_id").size()
    means = []
    for how in ("uniform", "popular"):
        shown = read(spec_drawn(how, 7), raw)["impressions"]
        means.append(clicks.reindex(shown.loc[shown["clicked"] == 0, "article_id"], fill_value=0).mean())
    assert means[1] > 1.3 * means[0]


def test_a_click_with_too_few_candidates_has_fewer_negatives() -> None:
    clicks = pd.DataFrame({"user_id": [1], "session_id": [0], "time": [2 * ALIVE], "place": [2]})
    published = np.array([0, 2 * ALIVE - 3, 2 * ALIVE - 2, 2 * ALIVE])
    found = drawn(published, clicks, 3, False, np.random.default_rng(0))
    assert sorted(found[0].tolist()) == [-1, -1, 1]  # too old, clicked, not yet published
    nobody = drawn(published, clicks[:0], 3, False, np.random.default_rng(0))
    assert nobody.shape == (0, 3)


def test_the_worlds_own_appeal_is_the_best_that_there_is(world: World, raw: Path) -> None:
    shown = read(spec_drawn("uniform", 7), raw)["impressions"]
    seconds = ((shown["time"] - START) // pd.Timedelta(1, "s")).to_numpy()
    chance = world.chance(shown["user_id"].to_numpy(), shown["article_id"].to_numpy(), seconds, NEGATIVES)
    labels = shown["clicked"].to_numpy(dtype=float)
    assert metrics.auc(labels, chance) > max(metrics.auc(labels, -shown["age_hours_log"].to_numpy()), 0.85)
    assert 0.6 * labels.mean() < chance.mean() < 1.1 * labels.mean()


def test_wrong_options_and_folders_are_refused(tmp_path: Path) -> None:
    for options in ({"size": 1}, {"drawn": "never"}, {"negatives": 0}, {"seed": True}):
        with pytest.raises(SourceError, match=r"source\.options.*expected .*; found "):
            check_options(options)
    for folder in (None, tmp_path):
        with pytest.raises(SourceError, match=r"expected a folder with readers.parquet; found "):
            read(spec_drawn("uniform", 7), folder)
