"""The gap between floor and oracle in the default world: counters of the home surfaces do not close it."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.as_of.counters import state_of
from feature_repo.counters import count
from models.counters.columns import state_columns
from models.counters.derive import derive
from models.features import counter_table
from models.metrics import auc
from models.spec import Spec, load_spec
from models.spec.counter_plans import counter_plan
from tests.conftest import PROFESSIONAL


def window(spec: Spec, frame: pd.DataFrame, first: str, last: str) -> pd.DataFrame:
    time = frame["time"].astype("datetime64[us, UTC]").astype("int64")
    return frame[(time >= spec.span(first).start) & (time < spec.span(last).end)]


def with_counters(spec: Spec, tables: dict[str, pd.DataFrame], folder: Path) -> pd.DataFrame:
    """The impressions with the counters strictly before each, and what a request knows."""
    frame = tables["impressions"].sort_values("time", kind="stable").reset_index(drop=True)
    frame.to_parquet(folder / "impressions.parquet")
    count(spec, folder, folder)
    times = frame["time"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    overall = state_before(spec, "overall", frame, folder)
    for name in spec.counters:
        features = derive(counter_plan(spec, name), state_before(spec, name, frame, folder), overall, times)
        frame = frame.assign(**features)
    frame["hour"] = frame["time"].dt.hour
    return frame.astype({"surface": "category", "channel_kind": "category"})


def state_before(spec: Spec, name: str, frame: pd.DataFrame, folder: Path) -> dict:
    """A counter's state strictly before each row of a frame that is sorted by time."""
    table = pq.read_table(folder / f"{counter_table(name)}.parquet")
    plan = counter_plan(spec, name)
    keys = list(plan.keys)
    moments = table.select(["valid_from", *keys]).to_pandas().assign(place=range(table.num_rows))
    moments["valid_from"] = moments["valid_from"].astype(frame["time"].dtype)
    place = pd.merge_asof(
        frame, moments, left_on="time", right_on="valid_from", by=keys or None, allow_exact_matches=False
    )["place"].astype("Int64")
    return state_of(plan, {c: table[c].take(pa.array(place)) for c in state_columns(plan)})


def test_trees_on_home_counters_leave_a_quarter_of_the_way(
    default_tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    import lightgbm

    spec = load_spec(PROFESSIONAL)
    frame = with_counters(spec, default_tables, tmp_path).merge(default_tables["oracle"], on="impression_id")
    known = frame.columns.drop(
        ["impression_id", "member_id", "notification_id", "time", "settled_time", "clicked", "engaged", "probability"]
    )
    train, test = window(spec, frame, "train", "gate"), window(spec, frame, "test", "test")
    options = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.06, "num_threads": 1, "verbose": -1}
    trees = lightgbm.train(options, lightgbm.Dataset(train[known], train["clicked"]), 120)
    labels = test["clicked"].to_numpy()
    floor = auc(labels, trees.predict(test[known])) - 0.5
    ceiling = auc(labels, test["probability"].to_numpy()) - 0.5
    assert 0.4 < floor / ceiling < 0.75
