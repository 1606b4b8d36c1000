"""Where a file source or a destination lies: a local path, or an address of a remote file system."""

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow.fs as arrow_fs
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource

from feature_repo.stores.errors import UnsupportedError

_PATTERN = "*?["


@dataclass(frozen=True)
class Location:
    """``path``: absolute, or with its scheme where ``remote`` (an fsspec file system) holds it."""

    path: str
    remote: Any = None

    @property
    def one_file(self) -> bool:
        """Whether the path names a single Parquet file, there or not."""
        if self.remote is None and Path(self.path).exists():
            return Path(self.path).is_file()
        return self.path.endswith((".parquet", ".pq")) and not self.pattern

    @property
    def pattern(self) -> bool:
        """Whether the path stands for many files by a glob pattern."""
        there = self.remote is None and Path(self.path).exists()
        return not there and any(character in self.path for character in _PATTERN)

    @property
    def glob(self) -> str:
        """What DuckDB reads: the file, the pattern, or every Parquet file below the folder."""
        if self.pattern:
            return self.path
        path = glob.escape(self.path) if self.remote is None else self.path
        return path if self.one_file else f"{path.rstrip('/')}/**/*.parquet"

    def arrow(self) -> tuple[arrow_fs.FileSystem, str]:
        """The same place for pyarrow."""
        if self.remote is None:
            return arrow_fs.LocalFileSystem(), self.path
        return arrow_fs.PyFileSystem(arrow_fs.FSSpecHandler(self.remote)), self.remote._strip_protocol(self.path)


def locate(source: DataSource, repo_path: Path | str | None) -> Location:
    """The location of a Parquet file source; a relative path is relative to the feature repository.

    Raises UnsupportedError for another kind of source, another format, or a file system that is not installed.
    """
    if not isinstance(source, FileSource):
        raise UnsupportedError(
            f"source {source.name!r}: expected a FileSource over Parquet; found {type(source).__name__}. "
            "Write its table to Parquet files, or use Feast's offline store for it"
        )
    if source.file_format is not None and not isinstance(source.file_format, ParquetFormat):
        raise UnsupportedError(
            f"source {source.name!r}: expected Parquet; found {type(source.file_format).__name__}. "
            "Write its table to Parquet files, or use Feast's duckdb offline store"
        )
    uri = source.path.removeprefix("file://")
    scheme = urlparse(uri).scheme if "://" in uri else ""
    if not scheme:
        return Location(str(Path(FileSource.get_uri_for_file_path(repo_path, uri)).absolute()))
    return Location(uri, _s3(source) if scheme == "s3" else _by_scheme(source, scheme))


def _s3(source: FileSource) -> Any:
    """pyarrow's own S3 client with the source's endpoint and credentials, as fsspec knows file systems."""
    from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]

    class S3(ArrowFSWrapper):
        protocol = "s3"

    client, _ = FileSource.create_filesystem_and_path(
        source.path, source.s3_endpoint_override or "", source.resolve_credentials()
    )
    return S3(client)


def _by_scheme(source: FileSource, scheme: str) -> Any:
    import fsspec  # type: ignore[import-untyped]

    try:
        return fsspec.filesystem(scheme)
    except (ImportError, ValueError) as error:
        raise UnsupportedError(
            f"source {source.name!r}: expected a file system for {scheme}://; found {error}. "
            "Install its fsspec package, or copy the files"
        ) from error
