"""All files of a build are checked before an engine reads them: times and numbers of edges, versions and seeds."""

from pathlib import Path

import pyarrow as pa
import pytest

from models.graph.errors import GraphInputError
from models.graph.inputs import check_inputs
from tests.models.graph.product import spec, write_product
from tests.models.graph.test_build import rewritten


def test_the_product_passes(tmp_path: Path) -> None:
    check_inputs(spec(), *write_product(tmp_path))


@pytest.mark.parametrize(
    ("file", "column", "rows"),
    [
        ("tables/impressions", "settled_time", 14),
        ("tables/follows", "time", 4),
        ("training_set/versions_member", "valid_from", 5),
        ("training_set/versions_item", "valid_from", 2),
        ("training_set/impressions", "time", 6),
        ("training_set/impressions", "settled_time", 6),
        ("training_set/frozen", "frozen_time", 6),
    ],
)
def test_every_time_is_checked(tmp_path: Path, file: str, column: str, rows: int) -> None:
    tables, training_set = write_product(tmp_path)
    rewritten(tmp_path / f"{file}.parquet", column, pa.array([5] * rows, pa.timestamp("ns")))
    with pytest.raises(GraphInputError, match=rf"{file}\.parquet, column '{column}': expected timestamps"):
        check_inputs(spec(), tables, training_set)


@pytest.mark.parametrize(
    ("file", "column", "rows"),
    [
        ("tables/impressions", "dwelt", 14),
        ("training_set/versions_member", "age", 5),
        ("training_set/impressions", "all_exposures", 6),
        ("training_set/frozen", "all_click_rate", 6),
    ],
)
def test_every_number_is_checked(tmp_path: Path, file: str, column: str, rows: int) -> None:
    tables, training_set = write_product(tmp_path)
    rewritten(tmp_path / f"{file}.parquet", column, pa.array([2**24 + 1] * rows))
    with pytest.raises(GraphInputError, match=rf"{file}\.parquet, feature '{column}': expected numbers that survive"):
        check_inputs(spec(), tables, training_set)


def test_vectors_are_checked_and_categories_are_not(tmp_path: Path) -> None:
    tables, training_set = write_product(tmp_path)
    rewritten(training_set / "versions_member.parquet", "industry", pa.array([2**24 + 1] * 5))
    check_inputs(spec(), tables, training_set)
    rewritten(training_set / "versions_item.parquet", "topics", pa.array(["big", "small"]))
    with pytest.raises(GraphInputError, match="feature 'topics': expected numbers; found string"):
        check_inputs(spec(), tables, training_set)
