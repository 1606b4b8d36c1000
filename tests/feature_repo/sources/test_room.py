"""The room that the default world leaves above its floor: counters of the home surfaces do not win it."""

import pandas as pd

from feature_repo.counters import count
from models.features import counter_keys
from models.metrics import auc
from models.spec import Spec, load_spec
from tests.conftest import PROFESSIONAL


def window(spec: Spec, frame: pd.DataFrame, first: str, last: str) -> pd.DataFrame:
    time = frame["time"].astype("datetime64[us, UTC]").astype("int64")
    return frame[(time >= spec.span(first).start) & (time < spec.span(last).end)]


def with_counters(spec: Spec, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The impressions with the last counters strictly before each, and what a request knows."""
    frame = tables["impressions"].sort_values("time", kind="stable")
    for name, counts in count(spec, tables).items():
        keys = counter_keys(spec, name)
        counts = counts.rename(columns={"valid_from": f"{name}_from"})
        frame = pd.merge_asof(
            frame, counts, left_on="time", right_on=f"{name}_from", by=keys, allow_exact_matches=False
        ).drop(columns=f"{name}_from")
    frame["hour"] = frame["time"].dt.hour
    return frame.astype({"surface": "category", "channel_kind": "category"})


def test_trees_on_home_counters_leave_a_quarter_of_the_way(default_tables: dict[str, pd.DataFrame]):
    import lightgbm

    spec = load_spec(PROFESSIONAL)
    frame = with_counters(spec, default_tables).merge(default_tables["oracle"], on="impression_id")
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
