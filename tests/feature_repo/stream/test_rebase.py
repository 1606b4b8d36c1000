"""Batch rows combined with later events: what is written, what is left alone, and what is counted and logged."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import FLAG_BATCH
from feature_repo.packed.sqlite import SqliteRows
from feature_repo.stream.event_log import EventLog, log_key
from feature_repo.stream.packed_rows import Row, read_rows, write_rows
from feature_repo.stream.rebase import rebase
from feature_repo.views.pushed import EDGES, KEYS, RECENT, TIMES
from tests.feature_repo.stream.test_apply import Product

LATEST = 1_000


@pytest.fixture(scope="module")
def tiny_product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return Product(tmp_path_factory.mktemp("product"))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The clock stands at LATEST, and messages of level INFO are kept."""
    monkeypatch.setattr("feature_repo.stream.rebase.latest", lambda: LATEST)
    caplog.set_level(logging.INFO, "feature_repo.stream.rebase")


class Keys:
    """Rows and logs of one view under keys of one byte."""

    def __init__(self, product: Product, folder: Path, view: str) -> None:
        self.spec, self.view, self.rows = product.spec, product.views[view], SqliteRows(folder / "rows.db")
        self.layout = layout_of(self.view)

    def put(self, key: bytes, row: Row, log: EventLog) -> None:
        packed = self.packed(row)
        self.rows.change([key, log_key(key)], lambda _: [packed, log.write()])

    def packed(self, row: Row) -> bytes:
        return write_rows(self.layout, [row], row.flags)[0]

    def rebase(self, batch: Mapping[bytes, Row | bytes]) -> int:
        packed = [row if isinstance(row, bytes) else self.packed(row) for row in batch.values()]
        return rebase(self.rows, self.spec, self.view, list(batch), packed)

    def row(self, key: bytes) -> Row | None:
        return read_rows(self.layout, self.rows.read([key]))[0]

    def log(self, key: bytes) -> EventLog:
        return EventLog.read(self.rows.read([log_key(key)])[0])


def listed(*activities: tuple[str, int]) -> dict[str, Any]:
    """Likes: key, time."""
    return {EDGES: ["liked"] * len(activities), KEYS: [a[0] for a in activities], TIMES: [a[1] for a in activities]}


def counted(settled: int) -> dict[str, int]:
    return {
        **{"overall_settled": settled, "overall_click_sum": settled, "overall_click_of": settled},
        "overall_share_sum": settled * 40,
    }


def test_members_take_the_batch_row_and_keep_what_came_later(
    tiny_product: Product, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(tiny_product, tmp_path, RECENT)
    keys.put(b"a", Row(5, 0, listed(("p", 5))), EventLog(at=5, events=[[5, 0, "p", ""]]))
    keys.put(b"c", Row(10, 0, listed(("q", 10))), EventLog(at=10, events=[[10, 0, "q", ""]]))
    batch = {key: Row(7, FLAG_BATCH, listed((key.decode(), 7))) for key in (b"a", b"b", b"c")}
    assert keys.rebase(batch) == 2
    assert keys.rows.read([b"a", b"b", log_key(b"b")]) == [keys.packed(batch[b"a"]), None, None]
    assert keys.row(b"c") == Row(10, 0, listed(("c", 7), ("q", 10)))
    assert [keys.log(key).batch for key in (b"a", b"c")] == [7, 7]
    assert caplog.messages == []
    assert keys.rebase({}) == 0


def test_a_counter_that_knows_a_later_batch_row_is_left_alone(
    tiny_product: Product, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(tiny_product, tmp_path, "overall")
    event = [9, 1, 1, [1, 40]]
    keys.put(b"a", Row(9, 0, counted(3)), EventLog(at=9, batch=8, events=[event]))
    keys.put(b"c", Row(9, 0, counted(3)), EventLog(at=9, batch=6, events=[event]))
    before = keys.rows.read([b"a", log_key(b"a")])
    assert keys.rebase(dict.fromkeys((b"a", b"b", b"c"), Row(7, FLAG_BATCH, counted(5)))) == 1
    assert keys.rows.read([b"a", log_key(b"a")]) == before
    assert keys.row(b"c") == Row(9, 0, counted(6))
    assert keys.log(b"c") == EventLog(at=9, batch=7, events=[event])
    assert caplog.messages == ["overall: 1 keys have more events since than their logs hold: left as pushed"]


def test_activities_ahead_of_the_clock_go_without_a_batch_row_too(
    tiny_product: Product, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(tiny_product, tmp_path, RECENT)
    events = [[900, 0, "p", ""], [LATEST + 1, 0, "q", ""]]
    ahead = Row(LATEST + 1, 0, listed(("p", 900), ("q", LATEST + 1)))
    keys.put(b"a", ahead, EventLog(at=LATEST + 1, batch=800, base=listed(), events=events))
    at_end = Row(LATEST, FLAG_BATCH, listed(("r", LATEST)))
    keys.put(b"b", at_end, EventLog(at=LATEST, batch=LATEST))
    assert keys.rebase(dict.fromkeys((b"a", b"b"), Row(7, FLAG_BATCH, listed(("x", 7))))) == 0
    assert keys.row(b"a") == Row(900, 0, listed(("p", 900)))
    assert keys.log(b"a") == EventLog(at=900, batch=800, base=listed(), events=events[:1])
    assert (keys.row(b"b"), keys.log(b"b")) == (at_end, EventLog(at=LATEST, batch=LATEST))
    assert caplog.messages == [f"{RECENT}: 2 keys have more events since than their logs hold: left as pushed"]


def test_a_counter_ahead_of_the_clock_is_repaired_if_its_log_can_tell(tiny_product: Product, tmp_path: Path) -> None:
    keys = Keys(tiny_product, tmp_path, "overall")
    events = [[900, 1, 1, [1, 40]], [LATEST + 1, 1, 2, [1, 40]]]
    keys.put(b"a", Row(LATEST + 1, 0, counted(2)), EventLog(at=LATEST + 1, batch=800, events=events))
    unknown = Row(LATEST + 1, FLAG_BATCH, counted(9))
    keys.put(b"b", unknown, EventLog(at=LATEST + 1, batch=800))
    assert keys.rebase(dict.fromkeys((b"a", b"b"), Row(7, FLAG_BATCH, counted(5)))) == 0
    assert keys.row(b"a") == Row(900, 0, counted(1))
    assert keys.log(b"a") == EventLog(at=900, batch=800, events=events[:1])
    assert (keys.row(b"b"), keys.log(b"b").at) == (unknown, LATEST + 1)


def test_a_batch_row_that_cannot_be_read_changes_nothing(tiny_product: Product, tmp_path: Path) -> None:
    keys = Keys(tiny_product, tmp_path, "overall")
    row, log = Row(9, 0, counted(3)), EventLog(at=9, events=[[9, 1, 1, [1, 40]]])
    keys.put(b"a", row, log)
    assert keys.rebase({b"a": b"junk"}) == 0
    assert (keys.row(b"a"), keys.log(b"a")) == (row, log)


def test_other_views_are_left_alone(tiny_product: Product, tmp_path: Path) -> None:
    keys = Keys(tiny_product, tmp_path, "post_content")
    keys.rows.change([log_key(b"a")], lambda _: [EventLog(at=9).write()])
    assert keys.rebase({b"a": b"junk"}) == 0
