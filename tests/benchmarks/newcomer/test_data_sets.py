"""The files of the five data sets, and their specs on a fifth of the rows."""

import hashlib
from pathlib import Path

import pytest

from benchmarks.newcomer.data_sets import DATA_SETS, make, spec_file
from feature_repo.checks.check import check_product
from models.spec import load_spec


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", DATA_SETS)
def test_files_are_those_of_the_seed(name: str, tmp_path: Path) -> None:
    first, again, other = (
        _digests(make(name, tmp_path / str(number), seed, 0.02)) for number, seed in enumerate((7, 7, 8))
    )
    assert first == again
    assert first.keys() == other.keys()
    assert first != other


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_check_finds_no_error(name: str, tmp_path: Path) -> None:
    assert load_spec(spec_file(name)).source.adapter == "tables"
    report = check_product(spec_file(name), str(make(name, tmp_path / "data", 7, 0.2)))
    assert (report.errors, report.read) == ([], True)
    assert all(rows["rows"] for rows in report.preview["windows"].values())
