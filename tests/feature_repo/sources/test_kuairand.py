"""The adapter on a tiny folder in KuaiRand's layout; on the real logs by `make verify-real`."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.sources import check, read_table
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from feature_repo.sources.kuairand import TABLES, exposures_before, read, since_last
from feature_repo.sources.kuairand_history import from_lists
from models.spec import Spec, load_spec
from tests.feature_repo.sources.fakes import instants, kuairand_folder

SPEC = Path(__file__).parents[3] / "configs" / "kuairand.yaml"


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec(SPEC)


def test_the_spec_names_tables_and_columns_of_the_adapter(spec: Spec) -> None:
    check(spec, str(SPEC))


def test_impressions(spec: Spec, tmp_path: Path) -> None:
    manifest = ingest(spec, kuairand_folder(tmp_path / "raw"), tmp_path / "tables")
    assert manifest["tables"]["impressions"]["dropped"] == {"duplicates": 1, "before the first day: history": 1}
    shown = read_table(tmp_path / "tables", "impressions")
    assert shown["impression_id"].tolist() == [0, 1, 2, 3, 4]
    keys = shown[["user_id", "video_id", "surface"]].to_numpy().tolist()
    assert keys == [[0, 1, "1"], [0, 2, "1"], [0, 1, "4"], [1, 3, "1"], [2, 3, "14"]]
    assert shown["time"][0] == instants(["2022-04-25 10:00:00"])[0]
    assert shown["settled_time"][0] == instants(["2022-04-25 10:01:00"])[0]  # a minute of play later
    assert np.expm1(shown["seconds_since_last_log"][1:3]).tolist() == pytest.approx([30, 82_770], rel=1e-5)
    assert shown["seconds_since_last_log"].isna().tolist() == [True, False, False, True, True]
    assert np.expm1(shown["exposures_last_hour_log"]).round().tolist() == [0, 1, 0, 0, 0]
    assert np.expm1(shown["exposures_last_day_log"]).round().tolist() == [0, 1, 2, 0, 0]
    assert shown["seen_before"].tolist() == [0, 0, 1, 0, 0]
    # Plays of 60 s and 1 s; the videos' own durations are none, 20 s, none, 5 s, 5 s, not the log's 9 s.
    assert shown["play_percent"].tolist() == [0, 5, 0, 20, 20]
    assert shown["play_seconds"].tolist() == [60, 1, 1, 1, 1]
    assert shown["left_early"].tolist() == [0, 1, 1, 1, 1]


def test_a_view_that_was_logged_again_counts_once(spec: Spec, tmp_path: Path) -> None:
    """The row that settled last is kept, wherever it stands; of equal ones the first by its columns."""
    data = kuairand_folder(tmp_path / "raw") / "data"
    log = pd.read_csv(data / "log_standard_later_pure.csv")
    longer = log.iloc[[0]].assign(play_time_ms=2_000, is_click=1)
    again = log.iloc[[1]].assign(hourmin=2400)
    for name, parts in (("before", [longer, log, again]), ("after", [again, log, longer])):
        pd.concat(parts).to_csv(data / "log_standard_later_pure.csv", index=False)
        manifest = ingest(spec, data, tmp_path / name)
        assert manifest["tables"]["impressions"]["dropped"] == {
            **{"duplicates": 1, "same view logged again": 2, "before the first day: history": 1}
        }
        shown = read_table(tmp_path / name, "impressions")
        assert len(shown) == 5
        kept = shown[(shown["user_id"] == 0) & (shown["surface"] == "4")]
        assert kept[["play_time_ms", "is_click"]].to_numpy().tolist() == [[2_000, 1]]


def test_features_and_intrinsic_edges(spec: Spec, tmp_path: Path) -> None:
    tables = read(spec, kuairand_folder(tmp_path))
    assert {name: tuple(frame.columns) for name, frame in tables.items()} == TABLES
    members = tables["members"]
    assert members["user_active_degree"].tolist() == ["full_active", None, "middle_active"]
    assert members["is_live_streamer"].tolist() == [None, "1", "0"]  # -124 is missing
    assert members["onehot_feat4"].tolist() == ["1", None, "0"]
    assert members["register_days_log"].tolist() == pytest.approx([np.log(101), np.log(201), np.nan], nan_ok=True)
    videos = tables["videos"]
    assert videos["first_tag"].tolist() == ["12", "3", None, "5"]
    assert videos["music_type"].tolist() == ["9", "4", None, "9"]
    assert videos["duration_log"].tolist() == pytest.approx(np.log([8, np.nan, 20, 5]), nan_ok=True)
    assert tables["video_tag"][["video_id", "tag"]].to_numpy().tolist() == [[0, 12], [1, 3], [1, 4], [3, 5]]
    first = tables["impressions"]["time"].min()
    assert all(
        (tables[name]["valid_from"] < first).all() for name in ("members", "videos", "video_author", "video_tag")
    )


def test_lists_become_events_in_order_before_the_last_view(spec: Spec, tmp_path: Path) -> None:
    start = spec.span("graph").start
    folder = kuairand_folder(tmp_path)
    events = from_lists(folder / "data" / "user_history_pure.parquet", start)
    last = int(pd.Timestamp("2022-04-24 23:00", tz="Asia/Shanghai").timestamp() * 1e6)
    first = events[events["user_id"] == 0].sort_values("time")
    # watched 1, 2, 1; the long watches 2, 1 and the like 1 are matched from the newest backwards
    assert first[["video_id", "watched", "long_watched", "liked"]].to_numpy().tolist() == [
        *([1, True, False, False], [2, True, True, False], [1, True, True, True])
    ]
    assert first["time"].iloc[-1] == last - 1
    second = events[events["user_id"] == 1].sort_values("time")
    # long watches 0 and 1 are older than the two views that are kept
    assert second[["video_id", "watched", "long_watched"]].to_numpy().tolist() == [
        *([0, False, True], [1, False, True], [3, True, True], [2, True, False])
    ]
    assert (second["time"] < last - 1_000_000).all()
    tables = read(spec, folder)
    assert tables["history_watch"]["long_watched"].tolist() == [0, 1, 1, 1, 0]
    assert sorted(tables["history_long_watch"]["video_id"]) == [0, 1, 1, 2, 3]
    assert tables["history_like"]["video_id"].tolist() == [1]
    past = tables["video_history"].set_index("video_id")
    assert np.expm1(past["video_watches_log"]).round().to_dict() == {0: 0, 1: 2, 2: 2, 3: 1}
    assert past["video_long_watch_rate"][2] == pytest.approx((1 + 10 * 0.6) / 12)
    # A member's effect is what its views leave over the overall .6 and their videos' effects, shrunk by ten views.
    people = tables["member_history"].set_index("user_id")
    assert list(people.index) == [0, 1]
    watched, long_watched = {0: [1, 2, 1], 1: [3, 2]}, {0: [0, 1, 1], 1: [1, 0]}
    for member, videos in watched.items():
        left = sum(
            long - 0.6 - past["video_long_watch_effect"][video]
            for video, long in zip(videos, long_watched[member], strict=True)
        )
        assert people["member_long_watch_effect"][member] == pytest.approx(left / (len(videos) + 10), abs=1e-6)
    assert tables["member_history"]["valid_from"].tolist() == [pd.Timestamp(start, unit="us", tz="UTC")] * 2


def test_without_lists_the_log_before_the_first_day_is_the_history(spec: Spec, tmp_path: Path) -> None:
    ingest(spec, kuairand_folder(tmp_path / "raw", history=False) / "data", tmp_path / "tables")
    watched = read_table(tmp_path / "tables", "history_watch")
    assert watched[["user_id", "video_id", "long_watched"]].to_numpy().tolist() == [[1, 2, 0]]
    assert watched["time"].tolist() == instants(["2022-04-24 23:30:01"]).tolist()
    assert len(read_table(tmp_path / "tables", "history_like")) == 0


def test_lists_that_reach_into_the_windows_are_refused(spec: Spec, tmp_path: Path) -> None:
    folder = kuairand_folder(tmp_path)
    path = folder / "data" / "user_history_pure.parquet"
    lists = pd.read_parquet(path)
    start = spec.span("graph").start
    lists.assign(last_time_ms=[start // 1000 - 1, start // 1000]).to_parquet(path)
    with pytest.raises(SourceError, match=r"expected lists that end before 2022-04-24 16:00.*; found 1 .* user_id 1 "):
        read(spec, folder)


def test_the_log_between_the_lists_and_the_start_is_history_too(spec: Spec, tmp_path: Path) -> None:
    folder = kuairand_folder(tmp_path)
    path = folder / "data" / "user_history_pure.parquet"
    lists = pd.read_parquet(path)
    lists.assign(last_time_ms=lists["last_time_ms"] - 86_400_000).to_parquet(path)  # a day earlier: the 23rd
    tables = read(spec, folder)
    later = tables["history_watch"][tables["history_watch"]["time"] >= instants(["2022-04-24"])[0]]
    assert later[["user_id", "video_id", "long_watched"]].to_numpy().tolist() == [[1, 2, 0]]
    assert len(tables["history_watch"]) == 6
    lengths = np.expm1(tables["member_history"]["member_history_log"]).round()
    assert lengths.tolist() == [3, 61]


def test_wrong_folders_and_files(spec: Spec, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"kuairand: expected the folder of KuaiRand-Pure .*; found none"):
        read(spec, None)
    with pytest.raises(SourceError, match=r"expected log_\*.csv in .*; found none"):
        read(spec, tmp_path)
    data = kuairand_folder(tmp_path) / "data"
    users = (data / "user_features_pure.csv").read_text()
    (data / "user_features_pure.csv").write_text(users.replace("register_days", "registered"))
    with pytest.raises(SourceError, match=r"user_features_pure.csv: expected the column register_days; found user_id"):
        read(spec, data)
    (data / "user_features_pure.csv").unlink()
    with pytest.raises(SourceError, match=r"user_features_pure.csv: expected a CSV file of KuaiRand-Pure; found"):
        read(spec, data)
    log = (data / "log_standard_later_pure.csv").read_text()
    (data / "log_standard_later_pure.csv").write_text(log.replace("1000", "soon"))
    with pytest.raises(SourceError, match=r"log_\*.csv"):
        read(spec, data)


def test_nothing_is_guessed_from_the_rows_of_a_file(spec: Spec, tmp_path: Path) -> None:
    """Folders and brackets, columns in another order, gaps, texts that look like numbers, and the last of many rows."""
    plain = read(spec, kuairand_folder(tmp_path / "plain"))
    data = kuairand_folder(tmp_path / "tab=9" / "is_click=0" / "a [1]*") / "data"
    later = data / "log_standard_later_pure.csv"
    log = pd.read_csv(later)
    log[log.columns[::-1]].to_csv(later, index=False)
    later.write_bytes(b"\xef\xbb\xbf" + later.read_bytes())
    same = read(spec, data.parent)
    for name, frame in plain.items():
        pd.testing.assert_frame_equal(frame, same[name])
    users = pd.read_csv(data / "user_features_pure.csv")
    users["user_active_degree"] = ["007", "1e3", "NULL"]
    users.to_csv(data / "user_features_pure.csv", index=False)
    assert read(spec, data.parent)["members"]["user_active_degree"].tolist() == ["007", "1e3", "NULL"]


@pytest.mark.parametrize("cell", ["1.5", "1e3", "1_000", "0x10", "", "NULL", "true", str(2**63)])
def test_a_log_holds_whole_numbers_in_digits(spec: Spec, tmp_path: Path, cell: str) -> None:
    data = kuairand_folder(tmp_path) / "data"
    log = pd.read_csv(data / "log_standard_later_pure.csv", dtype=str)
    log.loc[0, "play_time_ms"] = cell
    log.to_csv(data / "log_standard_later_pure.csv", index=False)
    with pytest.raises(SourceError, match=r"log_\*.csv: .*log_standard_later_pure.csv.*expected .*; found"):
        read(spec, data)


def test_a_header_names_each_column_once(spec: Spec, tmp_path: Path) -> None:
    data = kuairand_folder(tmp_path) / "data"
    later = data / "log_standard_later_pure.csv"
    for wrong in ("is_click,is_click", "is_click,IS_CLICK"):
        text = later.read_text()
        later.write_text(text.replace("is_click,is_like", wrong))
        with pytest.raises(SourceError, match=r"expected columns whose names differ in more than case"):
            read(spec, data)
        later.write_text(text)


def test_a_label_outside_zero_and_one_stops_the_run(spec: Spec, tmp_path: Path) -> None:
    data = kuairand_folder(tmp_path / "raw") / "data"
    log = pd.read_csv(data / "log_standard_later_pure.csv")
    log.assign(is_click=3).to_csv(data / "log_standard_later_pure.csv", index=False)
    with pytest.raises(
        SourceError, match=r"impressions, column is_click: expected one of 0, 1; found 3 rows such as 3"
    ):
        ingest(spec, data, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-20, 20)), max_size=30), st.integers(1, 25))
def test_exposures_before_against_a_count_by_hand(rows: list[tuple[int, int]], within: int) -> None:
    key = np.array([row[0] for row in rows], dtype=np.int64)
    time = np.array([row[1] for row in rows], dtype=np.int64)
    earlier = [[other[1] for other in rows if other[0] == k and other[1] < t] for k, t in rows]
    assert exposures_before(key, time).tolist() == [len(times) for times in earlier]
    expected = [sum(other >= t - within for other in times) for (_, t), times in zip(rows, earlier, strict=True)]
    assert exposures_before(key, time, within).tolist() == expected
    gaps = [t - max(times) if times else np.nan for (_, t), times in zip(rows, earlier, strict=True)]
    np.testing.assert_array_equal(since_last(key, time), gaps)


@pytest.fixture(scope="session")
def real_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real logs, ingested once."""
    data = os.environ.get("HELIOGRAPH_KUAIRAND")
    assert data, (
        "HELIOGRAPH_KUAIRAND: expected the KuaiRand-Pure folder; found nothing. Run: make verify-real DATA=folder"
    )
    folder = tmp_path_factory.mktemp("real") / "tables"
    ingest(load_spec(SPEC), Path(data), folder)
    return folder


@pytest.mark.real_logs
def test_the_real_logs_have_the_counts_of_their_readme(real_tables: Path, spec: Spec) -> None:
    shown = read_table(real_tables, "impressions")
    assert len(shown) == 222_869 - 425 - 141  # 425 views were logged twice
    assert shown["video_id"].nunique() in range(6_355, 6_362)
    assert shown["user_id"].nunique() in range(25_100, 25_157)
    assert [round(float(shown[label].mean()), 3) for label in ("is_click", "long_view", "is_like")] == [
        0.450,
        0.317,
        0.017,
    ]
    time = shown["time"].astype("int64")
    assert ((time >= spec.span("test").start) & (time < spec.span("test").end)).sum() == 42_315
    assert (shown["surface"] == "1").sum() in range(172_800, 173_009)


@pytest.mark.real_logs
def test_the_real_history_lies_before_the_first_day_and_in_order(real_tables: Path, spec: Spec) -> None:
    watched = read_table(real_tables, "history_watch")
    assert len(watched) == 817_187
    assert len(read_table(real_tables, "history_long_watch")) == 390_929
    assert len(read_table(real_tables, "history_like")) == 22_534
    assert watched["time"].max().value // 1000 < spec.span("graph").start
    assert not watched.duplicated(["user_id", "time"]).any()


@pytest.mark.real_logs
def test_the_real_counters_rank_clicks(real_tables: Path, spec: Spec) -> None:
    """The rate of the pair (item, surface) so far, alone, tells clicks apart: a smoke alarm for the counters."""
    from models.counters import OVERALL, derive, state_columns
    from models.metrics import auc
    from models.spec.counter_plans import counter_plan

    shown = read_table(real_tables, "impressions").sort_values("time")

    def before(counter: str, keys: list[str]) -> dict[str, np.ndarray]:
        rows = read_table(real_tables, f"counter_{counter}").sort_values("valid_from")
        assert not rows.duplicated([*keys, "valid_from"]).any()
        joined = pd.merge_asof(
            shown, rows, left_on="time", right_on="valid_from", by=keys or None, allow_exact_matches=False
        )
        return {
            name: joined[name].fillna(0).astype("int64").to_numpy()
            for name in state_columns(counter_plan(spec, counter))
        }

    state, moments = before("item_surface", ["video_id", "surface"]), shown["time"].astype("int64").to_numpy()
    rates = derive(counter_plan(spec, "item_surface"), state, before(OVERALL, []), moments)["item_surface_click_rate"]
    known = state["item_surface_settled"] > 0
    assert known.mean() > 0.8
    assert auc(shown["is_click"].to_numpy()[known], rates[known]) > 0.65
