"""File sources for Spark: only the files' own columns, the last row of a key's equal times, keys compared by value.

By default Spark adds columns from folder names (``clicked=0/``), reads a path with brackets as a pattern, and compares
a string with a number by parsing it.
"""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureView, FileSource, RepoConfig
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline.types import ambiguous, comparable
from models.sql import spark_identifier


class ParquetSource(SparkSource):
    """Parquet files in Spark.

    If ``keys`` is not None (empty: one key), only the last of rows with equal keys and times is read.
    """

    keys: Sequence[str] | None = None

    def _load_dataframe_from_path(self, spark_session: Any) -> Any:
        rows = frame_of(spark_session, self)
        if self.keys is None:
            return rows
        from pyspark.sql import Window, functions

        identity = [*self.keys, self.timestamp_field, *filter(None, [self.created_timestamp_column])]
        order = [functions.desc("_metadata.file_path"), functions.desc("_metadata.row_index")]
        place = functions.row_number().over(Window.partitionBy(*map(_quoted, identity)).orderBy(*order))
        return rows.withColumn(_PLACE, place).where(functions.col(_PLACE) == 1).drop(_PLACE)


_PLACE = "place_among_equal_times"


def frame_of(session: Any, source: SparkSource) -> Any:
    """The source's rows, without columns from folders named ``key=value``."""
    reader = session.read.option("recursiveFileLookup", "true").option("mergeSchema", "true")
    return reader.parquet(source.path)


def view_on_spark(view: FeatureView, config: RepoConfig) -> FeatureView:
    """The view with its source converted for Spark."""
    on_spark = copy.copy(view)
    if view.batch_source is not None:
        on_spark.batch_source = source_on_spark(view.batch_source, config, [column for column, _ in _keys(view)])
    return on_spark


def source_on_spark(source: DataSource, config: RepoConfig, keys: Sequence[str] | None = None) -> DataSource:
    """A file source converted for Spark, with ``keys`` as in ``ParquetSource``; any other source unchanged."""
    if not isinstance(source, FileSource):
        return source
    if not isinstance(source.file_format, ParquetFormat | None):
        raise UnsupportedError(f"source {source.name}: expected Parquet; found {source.file_format}. Use a SparkSource")
    on_spark = ParquetSource(
        name=source.name,
        path=address(FileSource.get_uri_for_file_path(config.repo_path, source.path)),
        file_format="parquet",
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column,
        field_mapping=source.field_mapping,
    )
    on_spark.keys = keys
    return on_spark


def address(path: str) -> str:
    """A path as a URI that Spark's pattern matching resolves to it alone; S3 by Hadoop's scheme.

    Spark does not decode percent-encoding. A path that does not exist may be a pattern and stays one.
    """
    path = path.removeprefix("file://")
    if "://" in path:
        return path.replace("s3://", "s3a://", 1)
    place = Path(path).absolute()
    return "file://" + (re.sub(r"([*?\[\]{}\\])", r"\\\1", str(place)) if place.exists() else str(place))


def check_keys(session: Any, view: FeatureView, entity_df: Any) -> None:
    """Raise RetrievalInputError unless the view's keys and those of ``entity_df`` compare by value."""
    if not isinstance(view.batch_source, ParquetSource):
        return
    from pyspark.sql.pandas.types import to_arrow_schema

    found = to_arrow_schema(frame_of(session, view.batch_source).schema, timezone="UTC")
    for column, entity_column in _keys(view):
        if column not in found.names:
            continue  # Feast raises an error
        expected, given = (
            found.field(column).type,
            _entity_keys(session, entity_df, entity_column, found.field(column).type),
        )
        if given is None:
            continue
        if pa.types.is_decimal(expected) and expected.scale == 0 and pa.types.is_integer(given.type):
            continue  # Spark's type for uint64
        if not comparable(expected, given.type) or ambiguous(given, expected):
            raise RetrievalInputError(
                f"view {view.name}, key {entity_column}: expected keys that {expected} (in {view.batch_source.path}) "
                f"holds exactly; found {given.type} in entity_df. Make both int64, or both text, where they are made"
            )


def _entity_keys(session: Any, entity_df: Any, column: str, expected: pa.DataType) -> pa.ChunkedArray | None:
    """Values of a key of ``entity_df``, (rows,). A query's are read only if one side is float."""
    if isinstance(entity_df, pd.DataFrame):
        if column not in entity_df.columns:
            return None
        try:
            return pa.chunked_array([pa.Array.from_pandas(entity_df[column])])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise RetrievalInputError(f"entity_df: expected one type in column {column}; found {error}") from error
    from pyspark.sql.pandas.types import to_arrow_schema

    rows = session.sql(entity_df) if isinstance(entity_df, str) else entity_df
    if column not in rows.columns:
        return None
    kind = to_arrow_schema(rows.select(_quoted(column)).schema, timezone="UTC").field(0).type
    if pa.types.is_floating(kind) == pa.types.is_floating(expected):
        return pa.chunked_array([], type=kind)
    return rows.select(_quoted(column)).toArrow()[0]


def _keys(view: FeatureView) -> list[tuple[str, str]]:
    """(column of the files, column of entity_df) of the view's keys."""
    mapping = view.batch_source.field_mapping if view.batch_source else {}
    in_file = {renamed: column for column, renamed in mapping.items()}
    keys = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return [(in_file.get(key, key), view.projection.join_key_map.get(key, key)) for key in keys]


def _quoted(column: str) -> str:
    """A column name, quoted only if necessary: Feast makes Spark read a quoted name as a pattern."""
    if column.isidentifier():
        return column
    return spark_identifier(column)
