"""Location of a file source or destination: a local path, or an address on a remote file system."""

import glob
import os
from collections.abc import Sequence
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
    """``path``: absolute, or with its scheme if it is on ``remote`` (an fsspec file system)."""

    path: str
    remote: Any = None

    @property
    def one_file(self) -> bool:
        """Whether the path names a single Parquet file, which may not exist."""
        if self.remote is None and Path(self.path).exists():
            return Path(self.path).is_file()
        return self.path.endswith((".parquet", ".pq")) and not self.pattern

    @property
    def pattern(self) -> bool:
        """Whether the path is a glob pattern."""
        if not any(character in self.path for character in _PATTERN):
            return False
        return not (Path(self.path).exists() if self.remote is None else self.remote.exists(self.path))

    def parts(self) -> list[str]:
        """The Parquet files sorted by name, as ``arrow``'s file system names them.

        For a folder, all files below it except names that start with a dot or an underscore: drafts to Arrow and Spark.
        A single file is listed even if it does not exist.
        """
        if self.remote is None:
            if self.pattern:
                return sorted(glob.glob(self.path, recursive=True))
            if self.one_file:
                return [self.path]
            folder = Path(self.path)
            below = (path for path in folder.rglob("*.parquet") if path.is_file())
            return sorted(str(path) for path in below if not _is_draft(path.relative_to(folder).parts))
        path = str(self.remote._strip_protocol(self.path))
        if self.pattern:
            return sorted(str(found) for found in self.remote.glob(path))
        if self.one_file:
            return [path]
        found = (str(name) for name in self.remote.find(path) if str(name).endswith(".parquet"))
        return sorted(name for name in found if not _is_draft(name.removeprefix(path).strip("/").split("/")))

    def patterns(self, parts: Sequence[str]) -> list[str]:
        """The files as DuckDB patterns that match only them."""
        named = parts if self.remote is None else [str(self.remote.unstrip_protocol(part)) for part in parts]
        return [glob.escape(path) for path in named]

    def arrow(self) -> tuple[arrow_fs.FileSystem, str]:
        """The location as pyarrow's file system and path."""
        if self.remote is None:
            return arrow_fs.LocalFileSystem(), self.path
        return arrow_fs.PyFileSystem(arrow_fs.FSSpecHandler(self.remote)), self.remote._strip_protocol(self.path)


def _is_draft(names: Sequence[str]) -> bool:
    return any(name.startswith((".", "_")) for name in names)


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
    """pyarrow's S3 client with the source's endpoint and credentials, as an fsspec file system.

    A source without an endpoint is read at AWS_ENDPOINT_URL, which may differ from machine to machine.
    """
    from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]

    class S3(ArrowFSWrapper):
        protocol = "s3"

    client, _ = FileSource.create_filesystem_and_path(
        source.path,
        source.s3_endpoint_override or os.environ.get("AWS_ENDPOINT_URL", ""),
        source.resolve_credentials(),
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
