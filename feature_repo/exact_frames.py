"""Convert Arrow tables to pandas frames with integers kept exact.

pandas converts an integer column with nulls to float64, where 2**53 + 1 becomes 2**53. Here it becomes ``Int64``
(``UInt8``, ...).
"""

import pandas as pd
import pyarrow as pa

NULLABLE: dict[pa.DataType, pd.api.extensions.ExtensionDtype] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}
"""By integer type its nullable one in pandas."""


def exact_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a frame. An integer column with nulls gets a nullable type; a null inside a list is None."""
    exact: dict[int, pd.Series] = {}
    for place, column in enumerate(table.columns):
        if column.null_count and column.type in NULLABLE:
            exact[place] = column.to_pandas(types_mapper=NULLABLE.get)
        elif pa.types.is_nested(column.type):
            exact[place] = column.to_pandas(integer_object_nulls=True)
    frame = table.select([place for place in range(table.num_columns) if place not in exact]).to_pandas()
    for place, values in exact.items():
        frame.insert(place, table.column_names[place], values, allow_duplicates=True)
    return frame.reset_index(drop=True)
