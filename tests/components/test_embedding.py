"""What is said of vectors once they are pushed."""

from pathlib import Path

from components.embedding import _unlike


def test_a_damaged_profile_is_a_warning(tmp_path: Path) -> None:
    assert _unlike(tmp_path, tmp_path, tmp_path) == []
    (tmp_path / "profile.json").write_text('{"format": 2}', encoding="utf-8")
    (found,) = _unlike(tmp_path, tmp_path, tmp_path)
    assert "the vectors were not compared" in found
