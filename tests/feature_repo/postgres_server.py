"""A PostgreSQL of the tests' own: on a free loopback port, below a temporary folder, ended at the end."""

import os
import pwd
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_READABLE = "/tmp"
"""TMPDIR may be closed to the user that it runs as."""
_SECONDS = 120.0
"""How long it may take to start."""


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run PostgreSQL with an empty database; gives its address, which has the password."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port, password = int(probe.getsockname()[1]), secrets.token_hex(8)
    with tempfile.TemporaryDirectory(dir=_READABLE) as name:
        folder = Path(name)
        folder.chmod(0o755)  # it runs as another user
        command, user = postgres_command(folder, port, password)
        quiet: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        process = subprocess.Popen(command, cwd="/", **quiet, **user)
        try:
            deadline = time.monotonic() + _SECONDS
            while not create_database(f"host={HOST} port={port} user=feast password={password}"):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"postgres: expected it to answer within {_SECONDS:.0f} s; found nothing")
                time.sleep(0.05)
            yield f"postgresql://feast:{password}@{HOST}:{port}/feast"
        finally:
            process.terminate()
            process.wait()


def postgres_command(folder: Path, port: int, password: str) -> tuple[list[str], dict[str, Any]]:
    """Make a database cluster with the user ``feast``; its command, and the user it runs as: it refuses to be root."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        raise RuntimeError("postgres: expected it below /usr/lib/postgresql; found nothing. Run: .ci/packages postgres")
    home, file = folder / "postgres", folder / "postgres.password"
    home.mkdir()
    file.write_text(password, encoding="ascii")
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for path in (home, file):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    made = [str(programs[-1] / "initdb"), "-D", str(home / "data"), "-U", "feast", "-A", "scram-sha-256", "--no-sync"]
    done = subprocess.run(
        [*made, f"--pwfile={file}", "-E", "UTF8", "--locale=C"],
        capture_output=True, text=True, check=False, cwd="/", **user,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"initdb: expected exit status 0; found {done.returncode}: {done.stderr[-600:]}")
    command = [str(programs[-1] / "postgres"), "-D", str(home / "data")]
    for name, value in {
        "listen_addresses": HOST, "port": port, "unix_socket_directories": home, "fsync": "off",
    }.items():  # fmt: skip
        command += ["-c", f"{name}={value}"]
    return command, user


def create_database(address: str) -> bool:
    """Make the database ``feast``; false while PostgreSQL does not answer."""
    import psycopg

    try:
        with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE feast")
    except psycopg.OperationalError:
        return False
    return True
