"""Parts of a table as one."""

import pyarrow as pa
import pytest

from feature_repo.sources.errors import SourceError
from feature_repo.sources.one_table import one_table


def test_a_part_without_a_row_has_no_types() -> None:
    full, empty = pa.table({"a": ["x"]}), pa.table({"a": pa.array([], pa.int64())})
    for parts in ([full, empty], [empty, full]):
        assert one_table(parts, ["1", "2"], "").equals(full)
    assert one_table([empty, empty], ["1", "2"], "").num_rows == 0


def test_a_column_without_a_value_has_no_type() -> None:
    full, missing = pa.table({"a": ["x"]}), pa.table({"a": pa.array([None], pa.int64())})
    assert one_table([full, missing], ["1", "2"], "")["a"].to_pylist() == ["x", None]


def test_two_types_are_refused() -> None:
    with pytest.raises(SourceError, match=r"^2, column a: expected string as in 1; found int64\. Do this$"):
        one_table([pa.table({"a": ["x"]}), pa.table({"a": [1]})], ["1", "2"], "Do this")
