from typing import Any

from tests.rehearsal import snapshots


class Rows(dict[bytes, bytes]):
    """What is used of a Redis client."""

    def scan_iter(self, match: bytes, count: int) -> list[bytes]:
        return [key for key in self if key.startswith(match.replace(b"\\", b"")[:-1])]

    def mget(self, keys: list[bytes]) -> list[Any]:
        return [self.get(key) for key in keys]


def test_a_change_of_a_row_is_seen_in_its_project_alone() -> None:
    rows = Rows({b"tiny\0view\0i1": b"a", b"tiny_scratch_monitoring\0view\0i1": b"a", b"tiny\0.notes\0slease": b"b"})
    before = snapshots.online(rows, "tiny")
    assert {snapshots.view_of(key) for key in before} == {"view", ".notes"}
    rows[b"tiny_scratch_monitoring\0view\0i1"] = b"c"
    assert snapshots.changed(before, snapshots.online(rows, "tiny")) == []
    rows[b"tiny\0view\0i1"] = b"c"
    rows[b"tiny\0view\0i2"] = b"d"
    after = snapshots.online(rows, "tiny")
    assert snapshots.changed(before, after) == [b"tiny\0view\0i1", b"tiny\0view\0i2"]
    assert set(snapshots.without_notes(after)) == {b"tiny\0view\0i1", b"tiny\0view\0i2"}


def test_a_project_without_rows_has_none() -> None:
    assert snapshots.online(Rows(), "tiny") == {}
