"""A slate in random order from the request to the served log and the outcomes, without a server process."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.clock import now
from models.impression_ids import slate_of
from models.outcome_parts import day_of
from models.served import model_name, read
from models.spec.serving import Explore, Serving
from models.time_units import SECOND
from models.training.artifact import save_model
from monitoring.outcomes import join
from serving.ranking.reader import OnlineFeatures
from serving.ranking.request import RankingRequest
from serving.ranking.scorer import Scorer
from serving.ranking.service import RankingService
from serving.server.ranking_runtime import RankingRuntime
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from serving.settings.limits import Limits
from serving.versions.prior import Prior
from tests.serving.world import DOCUMENT, shared_model, world_spec

SPEC = world_spec(impressions={**DOCUMENT["impressions"], "served": "answer"}, counters={})
CALLS, ITEMS = 30, [6, 7, 8]


class EmptyStore:
    """A store that knows nothing."""

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        return OnlineFeatures.nothing(len(request.items))

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explored") / "served"


@pytest.fixture(scope="module")
def answered(log_folder: Path) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """The slates of some calls with one id of the caller's, of which half are explored, and the served log."""
    folder = log_folder.parent
    spec = SPEC.model_copy(update={"serving": Serving(explore=Explore(share=0.5))})
    scorer = Scorer(save_model(shared_model(), folder / "model"))
    service = RankingService(spec, scorer, EmptyStore(), "2", Prior.empty(spec))
    document = {"instances": [{"member": 1, "items": ITEMS, "context": {"surface": "push"}}]}

    async def send() -> list[dict[str, Any]]:
        runtime = RankingRuntime("tiny", service, ServedLog(ServedFiles(log_folder), model_name(SPEC)), Limits())
        try:
            return [
                (await runtime.predict(document, {"x-request-id": "the-same"}))["predictions"][0] for _ in range(CALLS)
            ]
        finally:
            runtime.close()

    return asyncio.run(send()), read(log_folder)


def test_the_log_has_what_was_answered(answered: tuple[list[dict[str, Any]], pd.DataFrame]) -> None:
    slates, log = answered
    candidates = [candidate for slate in slates for candidate in slate["slate"]]
    for name in ("impression", "item", "propensity", "adjustments", "score"):
        assert log[name].tolist() == [candidate[name] for candidate in candidates]
    assert log["slate"].nunique() == CALLS
    explored = {bool(slate["slate"][0]["adjustments"]) for slate in slates}
    assert explored == {True, False}  # with a chance of 2 in 2**30
    chances = {round(candidate["propensity"], 9) for candidate in candidates}
    assert chances == {round(0.5 / 3, 9), round(0.5 + 0.5 / 3, 9)}


def test_every_outcome_finds_its_own_slate(
    answered: tuple[list[dict[str, Any]], pd.DataFrame], log_folder: Path, tmp_path: Path
) -> None:
    """The same items went to the same member again and again within a second; every slate's last item is clicked."""
    _, log = answered
    shown = log.sample(frac=1, random_state=0)
    rows = pd.DataFrame(
        {
            **{name: shown[name].to_numpy() for name in ("member", "item", "surface")},
            "answer": shown["impression"].to_numpy(),
            "impression_id": np.arange(len(shown)),
            "time": pd.to_datetime(shown["time"].to_numpy() + SECOND, unit="us", utc=True).astype(
                "datetime64[us, UTC]"
            ),
            "click": (shown["position"] == 2).astype(int).to_numpy(),
            "dwell": 0,
        }
    )
    rows.to_parquet(tmp_path / "impressions.parquet")
    days = sorted({day_of(time) for time in log["served"].tolist()})
    outcomes, table = str(tmp_path / "none"), tmp_path / "impressions.parquet"
    join(SPEC, log_folder, outcomes, now() + SECOND, days[0], days[-1], tmp_path, table)
    files = [tmp_path / f"day={day}.parquet" for day in days]
    found = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    assert found.sort_values(["slate", "position"])["label_click"].tolist() == [0, 0, 1] * CALLS
    one = log["impression"].iloc[0]
    again = rows[rows["answer"].map(slate_of) == slate_of(one)]
    assert sorted(again["item"]) == ITEMS
