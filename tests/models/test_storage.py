"""Files at an address: on this machine, and in an S3 server of the tests' own."""

import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from models import storage
from models.system import system_error
from tests.s3_server import CREDENTIALS, bucket, s3_server

__all__ = ["bucket", "s3_server"]

ODD = "a b/%20?#é/+"


@pytest.fixture(params=["here", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "here" else request.getfixturevalue("bucket")


def test_an_address_is_a_path_or_a_uri() -> None:
    assert storage.is_remote("s3://bucket/folder")
    assert storage.is_remote("minio://bucket/folder")
    assert not storage.is_remote("/folder")
    assert not storage.is_remote("file:///folder")
    assert storage.join("s3://bucket/", "one", "two") == "s3://bucket/one/two"
    assert storage.join("/folder", "one") == "/folder/one"
    assert storage.file_system("file:///folder/one")[1] == "/folder/one"


def test_what_is_written_is_read(address: str) -> None:
    place = storage.join(address, ODD)
    assert not storage.exists(place)
    for content in (b"first", b"", b"x" * 9_000_000):
        storage.write_bytes(place, content)
        assert storage.read_bytes(place) == content
    assert storage.exists(place)
    assert storage.names(address) == ["a b"]
    assert storage.names(storage.join(address, "a b", "%20?#é")) == ["+"]


def test_minio_is_s3_at_another_endpoint(bucket: str) -> None:
    storage.write_bytes(storage.join(bucket, "one"), b"content")
    assert storage.read_bytes(storage.join(bucket.replace("s3://", "minio://"), "one")) == b"content"


def test_what_is_not_there(address: str) -> None:
    place = storage.join(address, "folder", "file")
    assert storage.names(place) == []
    storage.remove(place)
    with pytest.raises(FileNotFoundError, match=re.escape(place)):
        storage.read_bytes(place)
    with pytest.raises(FileNotFoundError, match=re.escape(place)):
        storage.download(place, Path("unused"))


def test_a_file_or_a_folder_is_removed_with_all_in_it(address: str) -> None:
    for name in ("one/file", "one/below/file", "other"):
        storage.write_bytes(storage.join(address, name), b"")
    storage.remove(storage.join(address, "other"))
    assert storage.names(address) == ["one"]
    storage.remove(storage.join(address, "one"))
    assert storage.names(address) == []


def test_a_folder_is_replaced_both_ways(address: str, tmp_path: Path) -> None:
    place, folder, other = storage.join(address, "folder"), tmp_path / "new", tmp_path / "copy"
    for name in ("old", "below/old", "marker"):
        storage.write_bytes(storage.join(place, name), b"old")
    (folder / "below").mkdir(parents=True)
    for name in ("marker", "below/a", "z"):
        (folder / name).write_text(name)
    other.mkdir()
    (other / "old").touch()
    storage.upload(folder, place, last="marker")
    storage.download(place, other)
    assert {str(path.relative_to(other)): path.read_text() for path in other.rglob("*") if path.is_file()} == {
        name: name for name in ("marker", "below/a", "z")
    }


def test_a_folder_that_is_cut_off_has_no_marker(bucket: str, tmp_path: Path) -> None:
    place = storage.join(bucket, "folder")
    storage.write_bytes(storage.join(place, "a"), b"old")
    storage.write_bytes(storage.join(place, "marker"), b"old")
    (tmp_path / "a").write_text("new")
    (tmp_path / "marker").write_text("new")
    (tmp_path / "z").symlink_to("/proc/self/mem")  # a file whose reading fails
    with pytest.raises(OSError, match="folder"):
        storage.upload(tmp_path, place, last="marker")
    assert storage.read_bytes(storage.join(place, "a")) == b"new"
    assert not storage.exists(storage.join(place, "marker"))


@pytest.mark.parametrize("bad", ["folder", "s3://", "s3:///folder", "ftp://host/folder", ""])
def test_addresses_that_cannot_be_used(bad: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        storage.file_system(bad)


def test_credentials_in_an_address_are_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match="without credentials") as caught:
        storage.file_system("s3://key:secret@bucket/folder")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [lambda place: storage.write_bytes(place, b""), lambda place: storage.upload(Path(__file__).parent, place)],
    ids=["file", "folder"],
)
def test_a_bucket_is_never_made(bucket: str, call: Callable[[str], None]) -> None:
    place = f"{bucket}-other/folder"
    with pytest.raises(FileNotFoundError, match="no such bucket") as caught:
        call(place)
    assert place in str(system_error(caught.value))
    assert not storage.exists(f"{bucket}-other")


def test_access_that_is_denied_is_a_permission_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Denied(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        do_PUT = do_GET = do_HEAD  # noqa: N815 - the library's names

    with ThreadingHTTPServer(("127.0.0.1", 0), Denied) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}.items():
            monkeypatch.setenv(name, value)
        for call in (storage.exists, storage.read_bytes, storage.names, lambda place: storage.write_bytes(place, b"")):
            with pytest.raises(PermissionError, match="s3://bucket/file"):
                call("s3://bucket/file")
        server.shutdown()


def test_a_storage_that_does_not_respond_is_a_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConnectionError, match="s3://bucket/file"):
        storage.exists("s3://bucket/file")
