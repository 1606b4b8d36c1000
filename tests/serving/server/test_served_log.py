"""The served log: its lines, and what is dropped and counted."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prometheus_client import REGISTRY

from models.impression_ids import slate_of
from models.served import COLUMNS, read
from models.time_units import DAY
from serving.ranking.slate import SlateIds
from serving.ranking.staleness import Staleness
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from tests.serving.running import wait_until
from tests.serving.server.slates import CALL, SEEN, served, slate


def test_an_impression_is_a_line(tmp_path: Path) -> None:
    served(tmp_path, replace(slate(1, 7, 9), latency=0.25000004))
    (file,) = tmp_path.glob("*.jsonl")
    first, second = map(json.loads, file.read_text(encoding="utf-8").strip().splitlines())
    assert first.pop("served") == second.pop("served") > 1_700_000_000_000_000
    once = {
        **{"request": "mine", "slate": 0, "time": 1_700_000_000_000_000, "as_of": 1_699_999_999_999_999},
        **{"member": 1, "member_cold": False, "surface": "push"},
        **{"model": "heliograph-one", "model_version": "4", "fallback": False, "stale": [], "latency": 0.25},
    }
    assert first == {
        **once,
        **{"rank": 0, "impression": f"{CALL}/0/0", "item": 7, "cold": False, "capped": False, "score": 0.25},
        **{"propensity": 1.0, "adjustments": []},
        "probabilities": {"click": 0.5, "dwell": 0.5},
        "features": {"count": 3.0, "device": "phone", "absent": None},
    }
    assert second == {
        **once,
        **{"rank": 1, "impression": f"{CALL}/0/1", "item": 9, "cold": True, "capped": True, "score": 0.5 / 3},
        "propensity": 0.5,
        "adjustments": [SEEN],
        "probabilities": {"click": 1 / 3, "dwell": 0.5},
        "features": {"count": None, "device": "phone", "absent": None},
    }


@pytest.mark.parametrize("odd", ['},{"rank":0', "a\nb", "\u2028", '"', "\\"])
def test_any_text_stays_on_its_line(tmp_path: Path, odd: str) -> None:
    features = {"rank": np.array([1.0, 2.0]), "device": odd}
    served(
        tmp_path,
        replace(slate(1, 7, 9), items=[odd, odd + "2"], surface=odd, features=features),
        slate(2, number=1),
        slate(3, 5, number=2),
    )
    frame = read(tmp_path)
    assert list(frame["item"]) == [odd, odd + "2", 5]
    assert list(frame["surface"]) == [odd, odd, "push"]
    assert list(frame["rank"])[:2] == [1.0, 2.0]


def test_served_slates_are_read_back(tmp_path: Path) -> None:
    stale = Staleness(("item_vectors", "counters"), 1)
    served(tmp_path, slate(1, 7, 9), replace(slate(9, 5, number=1), stale=stale))
    frame = read(tmp_path)
    assert list(frame["impression"]) == [f"{CALL}/0/0", f"{CALL}/0/1", f"{CALL}/1/0"]
    assert list(frame["propensity"]) == [1.0, 0.5, 1.0]
    assert list(frame["item"]) == [7, 9, 5]
    assert list(frame["slate"]) == [0, 0, 1]
    assert list(frame["position"]) == [0, 1, 0]
    assert list(frame["member_cold"]) == [False, False, True]
    assert list(frame["item_cold"]) == [False, True, False]
    assert list(frame["capped"]) == [False, True, False]
    assert list(frame["stale"]) == [[], [], ["item_vectors", "counters"]]
    assert list(frame["score"]) == [1 / 4, 1 / 6, 1 / 4]
    assert list(frame["adjustments"]) == [
        [],
        [SEEN],
        [],
    ]
    assert set(frame["as_of"]) == {1_699_999_999_999_999}
    assert list(frame["probability_click"]) == [1 / 2, 1 / 3, 1 / 2]
    assert frame["count"].isna().tolist() == [False, True, False]
    assert set(frame["device"]) == {"phone"}
    assert list(read(tmp_path, since=int(frame["served"].iloc[-1]))["item"])[-1] == 5
    assert read(tmp_path, since=2**62).empty


def test_a_log_of_an_older_release_is_read(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7, 8))
    (file,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_bytes().strip().splitlines()]
    later = ("adjustments", "impression", "latency", "propensity", "stale")
    for line in lines:
        for name in later:
            del line[name]
    other = {**lines[0], "served": lines[0]["served"] + 1}  # the client's id again, in another request
    file.write_text("".join(json.dumps(line) + "\n" for line in [*lines, other]), encoding="utf-8")
    served(tmp_path, replace(slate(1, 7), latency=0.25))
    frame = read(tmp_path)
    assert frame[list(later)].isna().all(axis=1).tolist() == [True, True, True, False]
    assert frame["slate"].tolist() == [0, 0, 1, 2]


def test_slates_are_told_apart_by_the_servers_id_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.clock.now", lambda: DAY)
    theirs = "0f0c9b1e-6f0f-4f5c-9d9e-1c1f6a4f8b11"
    served(tmp_path, slate(1, 7, 8), replace(slate(1, 7), ids=SlateIds("mine", theirs)))
    frame = read(tmp_path)
    assert frame["request"].unique().tolist() == ["mine"]
    assert frame["slate"].tolist() == [0, 0, 1]
    assert [slate_of(one) for one in frame["impression"]] == [f"{CALL}/0", f"{CALL}/0", f"{theirs}/0"]


def test_nothing_served_is_an_empty_frame(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        pd.testing.assert_frame_equal(read(folder), pd.DataFrame(columns=list(COLUMNS)), check_dtype=False)


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


def test_a_line_is_on_disk_before_the_log_is_closed(tmp_path: Path) -> None:
    log = ServedLog(ServedFiles(tmp_path), "heliograph-one")
    log.write(slate(1, 7))
    wait_until(lambda: len(read(tmp_path)) == 1, 20)
    log.close()


def test_a_slate_after_the_end_is_counted(tmp_path: Path) -> None:
    log = served(tmp_path, slate(1, 7))
    log.write(slate(2, 8, 9))
    assert log.dropped == 2
    assert list(read(tmp_path)["item"]) == [7]


@pytest.mark.parametrize("odd", [{"impression": 5}, {"request": ["x"]}, {"served": "now"}, {"features": 1}])
def test_a_line_of_other_types_is_skipped(tmp_path: Path, odd: dict[str, object]) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.glob("*.jsonl")
    line = {**json.loads(file.read_bytes()), **odd}
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    assert list(read(tmp_path)["item"]) == [7]


def test_a_full_queue_never_waits(tmp_path: Path) -> None:
    log = ServedLog(ServedFiles(tmp_path), "heliograph-one", waiting=1)
    for member in range(2000):
        log.write(slate(member, 7, 8))
    log.close()
    assert log.dropped + len(read(tmp_path)) == 4000


def test_a_slate_that_is_not_json_is_counted_and_the_log_continues(tmp_path: Path) -> None:
    log = served(tmp_path, replace(slate(1, 7, 8), surface="\ud800"), slate(2, 9))
    assert log.dropped == 2
    assert list(read(tmp_path)["item"]) == [9]


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8", "bool", "str", "object"])
def test_features_of_any_dtype_are_read_back(tmp_path: Path, kind: str) -> None:
    values = np.array([0.1, 1]).astype(kind)
    served(tmp_path, replace(slate(1, 7, 9), features={"100 % {of it}": values}))
    assert list(read(tmp_path)["100 % {of it}"]) == values.tolist()


class HeldSink:
    """A sink whose writes wait until they are released."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.entered, self.release = threading.Event(), threading.Event()

    def write(self, lines: bytes, served: int) -> None:
        self.entered.set()
        assert self.release.wait(60)
        self.written.append(lines)

    def close(self) -> None:
        self.closed = True


def unlogged() -> float:
    return REGISTRY.get_sample_value("heliograph_unlogged_total") or 0.0


def test_a_sink_that_hangs_keeps_what_waits_and_loses_the_rest() -> None:
    sink, before = HeldSink(), unlogged()
    log = ServedLog(sink, "heliograph-one", waiting=3)
    log.write(slate(0, 7, 8))
    assert sink.entered.wait(20)
    for number in range(1, 6):  # three wait, two are beyond
        log.write(slate(number, 7, 8, number=number))
    assert (log.dropped, unlogged() - before) == (4, 4)
    sink.release.set()
    log.close()
    assert sink.closed
    found = [json.loads(line)["impression"] for lines in sink.written for line in lines.splitlines()]
    assert found == [f"{CALL}/{number}/{rank}" for number in range(4) for rank in range(2)]


@pytest.mark.parametrize("waiting", [3, 9])
def test_a_process_that_ends_waits_for_its_sink_a_while_and_tells_what_is_missing(
    waiting: int, caplog: pytest.LogCaptureFixture
) -> None:
    sink = HeldSink()
    log = ServedLog(sink, "heliograph-one", waiting=waiting)
    log.write(slate(0, 7, 8))
    assert sink.entered.wait(20)
    for number in range(1, 4):
        log.write(slate(number, 7, 8))
    log.close(seconds=0.05)
    assert log.dropped == 6
    assert "at least 6 impressions are missing" in caplog.text
    sink.release.set()
    wait_until(lambda: sink.closed, 20)
    assert len(sink.written) == 1
