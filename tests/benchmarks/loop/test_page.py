"""The page of the loop."""

from pathlib import Path

import pandas as pd

from benchmarks.loop.page import Night, write_page
from benchmarks.loop.traffic import POLICIES


def test_the_page_has_the_picture_and_a_row_a_day(tmp_path: Path):
    shown = pd.DataFrame(
        {
            "day": ["2026-03-01", "2026-03-01", "2026-03-02"],
            "version": ["1", "2", "2"],
            "clicked": [0, 1, 1],
            **{key: [0.1, 0.2, 0.3] for key in POLICIES},
        }
    )
    nights = [
        Night("2026-03-01", "data_fault", "traffic.member", fault="bot"),
        Night("2026-03-02", "healthy", done=["promote <2>"]),
    ]
    page = write_page(shown, nights, tmp_path).read_text()
    assert page.count("<tr>") == 3
    assert "<svg" in page
    assert "version 2" in page
    assert "traffic.member" in page
    assert "promote &lt;2&gt;" in page
    first = (tmp_path / "loop.svg").read_bytes()
    write_page(shown, nights, tmp_path)
    assert (tmp_path / "loop.svg").read_bytes() == first
