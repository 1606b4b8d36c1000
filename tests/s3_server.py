"""An S3 server of the tests' own: moto on a free loopback port, in memory only, one a process, killed at the end.

A test file uses it by importing the two fixtures: ``from tests.s3_server import bucket, s3_server``; every test that
asks for ``bucket`` has an empty one of its own.
"""

import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3
from urllib3.util import Retry

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_DEFAULT_REGION": "us-east-1"}
_WAIT = Retry(1000, backoff_factor=0.03, backoff_max=0.03)


@contextmanager
def running_s3() -> Iterator[str]:
    """Run an S3 server; gives its endpoint, ``http://127.0.0.1:port``."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        urllib3.request("GET", endpoint, retries=_WAIT)
        yield endpoint
    finally:
        process.kill()
        process.wait()


def make_bucket(endpoint: str, name: str) -> str:
    """Make a bucket; return its address."""
    answer = urllib3.request("PUT", f"{endpoint}/{name}")
    assert answer.status == 200, answer.data
    return f"s3://{name}"


@pytest.fixture
def s3_server(shared_s3: str) -> str:
    return shared_s3


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {"AWS_ENDPOINT_URL": s3_server, **CREDENTIALS}.items():
        monkeypatch.setenv(name, value)
    return make_bucket(s3_server, f"tests-{uuid.uuid4().hex}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
