"""The clock of a simulation."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import clock
from models.time_units import microseconds


def test_a_simulation_sets_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "clock"
    monkeypatch.setenv(clock.SIMULATED, str(file))
    for text in ("2026-03-02T09:00:00+00:00", "2026-03-02T12:00:00+02:00\n"):
        file.write_text(text)
        assert clock.now() == microseconds(datetime.fromisoformat(text.strip()))
    assert clock.latest() == microseconds(datetime(2026, 3, 2, 10, 10, tzinfo=UTC))
    monkeypatch.setenv(clock.SIMULATED, "")
    assert clock.now() > microseconds(datetime(2026, 3, 3, tzinfo=UTC))


@pytest.mark.parametrize("text", [None, "", "tomorrow", "2026-03-02T09:00:00"])
def test_a_file_without_a_time_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None):
    if text is not None:
        (tmp_path / "clock").write_text(text)
    monkeypatch.setenv(clock.SIMULATED, str(tmp_path / "clock"))
    with pytest.raises(clock.ClockError, match=r"HELIOGRAPH_CLOCK: expected a file with an ISO-8601 time with a zone"):
        clock.now()
