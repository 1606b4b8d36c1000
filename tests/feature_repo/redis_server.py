"""A redis-server of the tests' own: on a free loopback port, in memory only, killed at the end.

A test file uses it by importing the two fixtures: ``from tests.feature_repo.redis_server import redis_address,
redis_server``; every test that asks for ``redis_address`` starts with an empty database.
"""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

_ATTEMPTS = 500
_PAUSE = 0.02  # seconds


@contextmanager
def running_redis() -> Iterator[str]:
    """Run a redis-server; gives Feast's connection string, ``127.0.0.1:port``."""
    server = shutil.which("redis-server")
    if server is None:
        raise RuntimeError("redis-server: expected it on the path; found nothing. Install the package redis-server")
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [server, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
        command += ["--save", "", "--appendonly", "no"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            retry = Retry(ConstantBackoff(_PAUSE), _ATTEMPTS)
            with redis.Redis("127.0.0.1", port, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
                client.ping()
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[str]:
    with running_redis() as address:
        yield address


@pytest.fixture
def redis_address(redis_server: str) -> str:
    host, port = redis_server.split(":")
    with redis.Redis(host, int(port)) as client:
        client.flushdb()
    return redis_server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
