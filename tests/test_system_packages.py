"""`.ci/packages` installs what is missing where the user may, and otherwise says in one line what to install."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "packages"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that is the whole PATH, of an ordinary user on a machine without apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command(folder, "id", "echo 1000")
    command(folder, "env", 'exec "$@"')
    return folder


def command(path: Path, name: str, line: str = "") -> None:
    (path / name).write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
    (path / name).chmod(0o755)


def install(path: Path, *names: str) -> tuple[int, str, list[str]]:
    """Exit status, what is printed, and the arguments that apt-get was called with."""
    log = path.parent / "apt.log"
    environment = {"PATH": str(path), "LOG": str(log)}
    done = subprocess.run(["/bin/bash", SCRIPT, *names], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, log.read_text().splitlines() if log.exists() else []


def test_nothing_is_installed_when_nothing_is_missing(path: Path) -> None:
    for name in ("java", "redis-server", "wrk", "h2load", "chromium", "promtool", "apt-get"):
        command(path, name, 'echo "$@" >> "$LOG"')
    command(path, "id", "echo 0")
    assert install(path, "java", "redis", "load", "chromium", "promtool") == (0, "", [])
    assert install(path) == (0, "", [])


@pytest.mark.parametrize("apt", [True, False])
@pytest.mark.parametrize("sudo", ["", "exit 1"])
def test_an_ordinary_user_reads_one_line_that_says_what_to_install(path: Path, apt: bool, sudo: str) -> None:
    """No apt-get, no sudo, or a sudo that wants a password."""
    command(path, "redis-server")
    if apt:
        command(path, "apt-get", 'echo "$@" >> "$LOG"')
    if sudo:
        command(path, "sudo", sudo)
    status, printed, called = install(path, "java", "redis", "load")
    assert (status, called) == (1, [])
    assert printed.count("\n") == 1
    assert "apt-get install default-jre-headless wrk nghttp2-client" in printed


def test_sudo_without_apt_get_is_not_enough(path: Path) -> None:
    command(path, "sudo")
    status, printed, _ = install(path, "java")
    assert status == 1
    assert "default-jre-headless" in printed


@pytest.mark.parametrize("user", ["root", "sudo"])
def test_root_and_passwordless_sudo_install_what_is_missing_alone(path: Path, user: str) -> None:
    command(path, "redis-server")
    command(path, "apt-get", 'echo "${ROOT-none} $@" >> "$LOG"')
    if user == "root":
        command(path, "id", "echo 0")
    else:
        command(path, "sudo", 'shift; ROOT=sudo "$@"')
    status, _, called = install(path, "java", "redis", "chromium")
    by = {"root": "none", "sudo": "sudo"}[user]
    assert status == 0
    assert called[0] == f"{by} update -qq"
    assert called[1].startswith(f"{by} install ")
    assert called[1].endswith("default-jre-headless chromium")


@pytest.mark.parametrize("status", [0, 1])
def test_the_server_that_promtool_comes_with_does_not_run(path: Path, status: int) -> None:
    command(path, "apt-get")
    command(path, "systemctl", f'echo "$@" >> "$LOG"; exit {status}')
    command(path, "id", "echo 0")
    assert install(path, "promtool") == (0, "", ["disable --now --quiet prometheus"])
    assert install(path, "java")[2] == ["disable --now --quiet prometheus"]  # not again


def test_a_failed_installation_says_what_to_install(path: Path) -> None:
    command(path, "apt-get", "exit 100")
    command(path, "id", "echo 0")
    status, printed, _ = install(path, "redis")
    assert status == 1
    assert printed.startswith(
        "Missing system packages: redis-server. Install them (as root: apt-get install redis-server)"
    )


def test_an_unknown_name_is_refused(path: Path) -> None:
    status, printed, _ = install(path, "rediss")
    assert status == 2
    assert printed.startswith("rediss: expected one of ")
