import os
from pathlib import Path

import pytest

from serving.settings.limits import Limits
from serving.settings.private import open_private, write_private
from serving.settings.settings import Settings


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        open_private(tmp_path / "link", os.O_APPEND)
    assert not (tmp_path / "elsewhere").exists()


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    write_private(tmp_path / "a", "before")
    with pytest.raises(UnicodeEncodeError):
        write_private(tmp_path / "a", "\ud800")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before"


def test_settings_are_private(tmp_path: Path) -> None:
    file = tmp_path / "1.json"
    before = os.umask(0)
    try:
        settings = Settings("a", "1", "", "", "", 1, 2, limits=Limits(items=7), token_file="/somewhere")
        settings.write(file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Settings.read(file) == settings
    assert list(tmp_path.iterdir()) == [file]
