import pandas as pd
import pytest

from feature_repo.sources.errors import Problems, SourceError
from feature_repo.sources.versions import check_versions
from tests.feature_repo.sources.fakes import small_spec, small_tables


def tied() -> dict[str, pd.DataFrame]:
    """The small tables with a second version of the first member, of the same time."""
    tables = small_tables()
    again = tables["members"].iloc[[0]].assign(age=99)
    tables["members"] = pd.concat([tables["members"], again], ignore_index=True)
    return tables


def test_two_versions_of_one_time_are_refused_with_the_first_of_them() -> None:
    expected = r"table members, view \w+: expected rows that differ in member_id, valid_from; found 1 .*, such as memb"
    with pytest.raises(SourceError, match=expected):
        check_versions(small_spec(), tied(), Problems())


def test_a_check_names_every_view_and_takes_empty_and_missing_tables() -> None:
    problems = Problems(keep=True)
    check_versions(small_spec(), tied(), problems)
    assert len(problems.found) == 1
    check_versions(small_spec(), {name: table.iloc[:0] for name, table in small_tables().items()}, problems)
    check_versions(small_spec(), {}, problems)
    assert len(problems.found) == 1
