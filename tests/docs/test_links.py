"""What the pages point to exists: linked pages and anchors, and the files that they name."""

import re
from pathlib import Path

import pytest

from benchmarks.examples import pages
from benchmarks.served_world import ROOT

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_FILE = re.compile(
    r"`((?:\.ci|benchmarks|components|configs|deploy|docs|feature_repo|models|monitoring|pipelines|serving|tests)/[\w./-]+)`"
)
_MODULE = re.compile(r"python -m ((?:benchmarks|feature_repo|models|monitoring|pipelines|serving)[\w.]*)")
_FENCE = re.compile(r"```.*?```", re.DOTALL)
_EXAMPLES = {"benchmarks.NAME", "benchmarks.studies.NAME"}


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in _HEADING.findall(_FENCE.sub("", text)))
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(page: Path) -> list[str]:
    """Targets of a page's relative links that are not there."""
    found = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            found.append(target)
    return found


def missing_files(text: str) -> list[str]:
    """Files, folders and modules of this repository that a page names and that are not there."""
    modules = [name for name in _MODULE.findall(text) if name.rstrip(".") not in _EXAMPLES]
    folders = [ROOT.joinpath(*name.rstrip(".").split(".")) for name in modules]
    files = [name for name in _FILE.findall(text) if not (ROOT / name).exists()]
    return files + [str(path) for path in folders if not (path.is_dir() or path.with_suffix(".py").is_file())]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_points_to_is_there(page: Path) -> None:
    assert broken_links(page) == []
    assert missing_files(page.read_text(encoding="utf-8")) == []


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page: `x`\n[a](none.md) [b](#a-page-x) [c](#nowhere) [d](page.md#a-page-x)\n", encoding="utf-8"
    )
    assert broken_links(page) == ["none.md", "#nowhere"]
    assert missing_files("`models/none.py`, `models/spec`, python -m models.none, python -m models.training") == [
        "models/none.py",
        str(ROOT / "models" / "none"),
    ]
