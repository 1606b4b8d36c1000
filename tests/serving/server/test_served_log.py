"""The served log: its lines, its files, and what is dropped and counted."""

import json
import os
from dataclasses import replace
from errno import ENOSPC
from io import FileIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.served import COLUMNS, read
from models.time_units import DAY
from serving.ranking.slate import Slate
from serving.ranking.staleness import Staleness
from serving.server.served_log import ServedLog
from tests.serving.running import wait_until


def slate(member: int, *items: int) -> Slate:
    places = np.arange(len(items))
    return Slate(
        request_id="mine",
        member=member,
        surface="push",
        time=1_700_000_000_000_000,
        as_of=1_699_999_999_999_999,
        member_cold=member > 8,
        model_version="4",
        fallback=False,
        items=list(items),
        cold=np.array(items) > 8,
        capped=places > 0,
        scores=0.5 / (places + 2),
        adjustments=[[], [{"rule": "seen_discount", "factor": 0.5}]][: len(items)],
        probabilities={"click": 1 / (places + 2), "dwell": np.full(len(items), 0.5)},
        features={"count": np.where(places, np.nan, 3.0).astype(np.float32), "device": "phone", "absent": None},
        foreign_vectors=0,
    )


def served(folder: Path, *slates: Slate, **limits: int) -> ServedLog:
    log = ServedLog(folder, "heliograph-one", **limits)
    for one in slates:
        log.write(one)
    log.close()
    return log


def test_an_impression_is_a_line(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7, 9))
    (file,) = tmp_path.glob("*.jsonl")
    first, second = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert first.pop("served") == second.pop("served") > 1_700_000_000_000_000
    once = {
        **{"request": "mine", "slate": 0, "time": 1_700_000_000_000_000, "as_of": 1_699_999_999_999_999},
        **{"member": 1, "member_cold": False, "surface": "push"},
        **{"model": "heliograph-one", "model_version": "4", "fallback": False, "stale": []},
    }
    assert first == {
        **once,
        **{"rank": 0, "item": 7, "cold": False, "capped": False, "score": 0.25, "adjustments": []},
        "probabilities": {"click": 0.5, "dwell": 0.5},
        "features": {"count": 3.0, "device": "phone", "absent": None},
    }
    assert second == {
        **once,
        **{"rank": 1, "item": 9, "cold": True, "capped": True, "score": 0.5 / 3},
        "adjustments": [{"rule": "seen_discount", "factor": 0.5}],
        "probabilities": {"click": 1 / 3, "dwell": 0.5},
        "features": {"count": None, "device": "phone", "absent": None},
    }


@pytest.mark.parametrize("odd", ['},{"rank":0', "a\nb", "\u2028", '"', "\\"])
def test_any_text_stays_on_its_line(tmp_path: Path, odd: str) -> None:
    features = {"rank": np.array([1.0, 2.0]), "device": odd}
    served(
        tmp_path, replace(slate(1, 7, 9), items=[odd, odd + "2"], surface=odd, features=features), slate(2), slate(3, 5)
    )
    frame = read(tmp_path)
    assert list(frame["item"]) == [odd, odd + "2", 5]
    assert list(frame["surface"]) == [odd, odd, "push"]
    assert list(frame["rank"])[:2] == [1.0, 2.0]


def test_served_slates_are_read_back(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7, 9), replace(slate(9, 5), stale=Staleness(("item_vectors", "counters"), 1)))
    frame = read(tmp_path)
    assert list(frame["item"]) == [7, 9, 5]
    assert list(frame["slate"]) == [0, 0, 1]
    assert list(frame["position"]) == [0, 1, 0]
    assert list(frame["member_cold"]) == [False, False, True]
    assert list(frame["item_cold"]) == [False, True, False]
    assert list(frame["capped"]) == [False, True, False]
    assert list(frame["stale"]) == [[], [], ["item_vectors", "counters"]]
    assert list(frame["score"]) == [1 / 4, 1 / 6, 1 / 4]
    assert list(frame["adjustments"]) == [[], [{"rule": "seen_discount", "factor": 0.5}], []]
    assert set(frame["as_of"]) == {1_699_999_999_999_999}
    assert list(frame["probability_click"]) == [1 / 2, 1 / 3, 1 / 2]
    assert frame["count"].isna().tolist() == [False, True, False]
    assert set(frame["device"]) == {"phone"}
    assert list(read(tmp_path, since=int(frame["served"].iloc[-1]))["item"])[-1] == 5
    assert read(tmp_path, since=2**62).empty


def test_a_log_of_an_older_release_is_read(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.glob("*.jsonl")
    line = json.loads(file.read_bytes())
    del line["adjustments"], line["stale"]
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert read(tmp_path)[["adjustments", "stale"]].to_numpy().tolist() == [[None, None]]


def test_nothing_served_is_an_empty_frame(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        pd.testing.assert_frame_equal(read(folder), pd.DataFrame(columns=list(COLUMNS)), check_dtype=False)


def test_a_partial_line_is_skipped_and_ended(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole + whole[: len(whole) // 2], encoding="utf-8")
    assert list(read(tmp_path)["item"]) == [7]
    served(tmp_path, slate(2, 8))
    assert list(read(tmp_path)["item"]) == [7, 8]


def test_models_with_different_features_share_a_log(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    line = json.loads(next(tmp_path.glob("*.jsonl")).read_text(encoding="utf-8"))
    line["features"] = {"other": 1.0}
    (tmp_path / "2000-01-01.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    frame = read(tmp_path)
    assert len(frame) == 2
    assert frame["other"].notna().sum() == frame["count"].notna().sum() == 1


def test_a_model_reads_its_own_lines_only(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.glob("*.jsonl")
    line = json.loads(file.read_text(encoding="utf-8"))
    assert line.pop("model") == "heliograph-one"
    lines = [{**line, "model": "heliograph-two", "member": 2}, {**line, "member": 3}, {"served": 1, "features": {}}]
    with file.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(other) + "\n" for other in lines)
    assert list(read(tmp_path, model="heliograph-two")["member"]) == [2]
    assert list(read(tmp_path, model="heliograph-one")["member"]) == [1]
    assert list(read(tmp_path)["member"]) == [1, 2, 3]


def test_files_of_earlier_days_are_not_opened(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.glob("*.jsonl")
    moment = int(read(tmp_path)["served"].iloc[0])
    file.rename(tmp_path / "2000-01-01.jsonl")
    assert read(tmp_path, since=moment).empty
    assert len(read(tmp_path, since=946_684_800_000_000)) == 1


def test_full_files_are_continued_and_the_oldest_are_removed(tmp_path: Path) -> None:
    served(tmp_path, *[slate(member, 7) for member in range(1, 7)], file_bytes=300, files=3)
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    assert list(read(tmp_path)["member"])[-1] == 6


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_folder_and_files_are_private(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "endpoint" / "served"
    folder.parent.mkdir()
    before = os.umask(umask)
    try:
        served(folder, slate(1, 7), slate(2, 7), slate(3, 7), file_bytes=10)
    finally:
        os.umask(before)
    files = list(folder.glob("*"))
    assert len(files) == 3  # the first, and two after it was full
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_log_of_an_older_release_becomes_private(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (today,) = tmp_path.glob("*.jsonl")
    old = tmp_path / "2020-01-01.jsonl"
    old.write_bytes(today.read_bytes())
    for path, mode in ((tmp_path, 0o755), (today, 0o644), (old, 0o666)):
        path.chmod(mode)
    served(tmp_path, slate(2, 7))
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, today, old)] == [0o700, 0o600, 0o600]
    assert len(read(tmp_path)) == 3


def test_a_line_is_on_disk_before_the_log_is_closed(tmp_path: Path) -> None:
    log = ServedLog(tmp_path, "heliograph-one")
    log.write(slate(1, 7))
    wait_until(lambda: len(read(tmp_path)) == 1, 20)
    log.close()


def test_every_day_has_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ServedLog(tmp_path, "heliograph-one")
    for day in (0, 0, 1):
        monkeypatch.setattr("models.clock.now", lambda day=day: day * DAY)
        log.write(slate(1, 7))
    log.close()
    lines = {file.name: len(file.read_bytes().splitlines()) for file in tmp_path.iterdir()}
    assert lines == {"1970-01-01.jsonl": 2, "1970-01-02.jsonl": 1}


def test_a_file_takes_lines_until_it_is_full(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.iterdir()
    size = file.stat().st_size
    served(tmp_path, slate(2, 7), slate(3, 7), file_bytes=2 * size)
    assert sorted(len(file.read_bytes().splitlines()) for file in tmp_path.iterdir()) == [1, 2]


def test_a_full_queue_never_waits(tmp_path: Path) -> None:
    log = ServedLog(tmp_path, "heliograph-one", waiting=1)
    for member in range(2000):
        log.write(slate(member, 7, 8))
    log.close()
    assert log.dropped + len(read(tmp_path)) == 4000


def test_a_slate_that_is_not_json_is_counted_and_the_log_continues(tmp_path: Path) -> None:
    log = served(tmp_path, replace(slate(1, 7, 8), surface="\ud800"), slate(2, 9))
    assert log.dropped == 2
    assert list(read(tmp_path)["item"]) == [9]


def test_a_full_disk_loses_only_the_lines_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(FileIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(ENOSPC, "no space left")

    def once(path: Path) -> FileIO:
        monkeypatch.undo()
        return Full(path, "ab")

    monkeypatch.setattr("serving.server.served_log._open_for_append", once)
    log = served(tmp_path, slate(1, 7), slate(2, 8), slate(3, 9), file_bytes=1)
    assert log.dropped == 1
    assert sorted(read(tmp_path)["item"]) == [7, 9]


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8", "bool", "str", "object"])
def test_features_of_any_dtype_are_read_back(tmp_path: Path, kind: str) -> None:
    values = np.array([0.1, 1]).astype(kind)
    served(tmp_path, replace(slate(1, 7, 9), features={"100 % {of it}": values}))
    assert list(read(tmp_path)["100 % {of it}"]) == values.tolist()
