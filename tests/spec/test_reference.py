"""The reference page is the schema's own."""

from pathlib import Path

from models.spec.reference import reference

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "spec.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_part_and_meaning_is_there() -> None:
    page = reference()
    for part in ("Spec", "Node", "View", "Edge", "Affinity", "Densification", "PageRank", "Windows", "ModelConfig"):
        assert f"## {part}\n" in page
    assert "`ttl_days`" in page
    assert "Peak learning rate of AdamW." in page
