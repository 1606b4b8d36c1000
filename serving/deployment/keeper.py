"""Who starts the processes of this machine's endpoint, and starts them again when they end unasked: supervisord.

http://supervisord.org. It is reached through a socket that only its owner may open.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from serving.deployment.errors import DeploymentError
from serving.deployment.processes import await_end
from serving.versions.signing import without_signing_key

_STOP_SECONDS = 20
"""After SIGTERM, until SIGKILL: longer than a worker's drain and its deadline."""
_DAEMON = """[supervisord]
pidfile = {sockets}/keeper.pid
logfile = {folder}/keeper.log
logfile_maxbytes = 1MB
logfile_backups = 1

[unix_http_server]
file = {sockets}/keeper.sock
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = {folder}/programs/*.conf
"""
_PROGRAM = """[program:{name}]
command = {command}
directory = {directory}
stdout_logfile = {log}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 1
redirect_stderr = true
autorestart = true
startretries = 1000000
stopwaitsecs = {seconds}
"""


class Keeper:
    """The supervisord of one folder. Its programs outlive who started them."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self._folder, self._sockets = folder, sockets

    def start(self) -> None:
        """Start supervisord, without any program. Raises DeploymentError."""
        programs = self._folder / "programs"
        programs.mkdir(exist_ok=True)
        for left in programs.glob("*.conf"):
            left.unlink()
        configuration = self._folder / "keeper.conf"
        places = {"folder": _escaped(self._folder), "sockets": _escaped(self._sockets)}
        configuration.write_text(_DAEMON.format(**places), encoding="utf-8")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        # What serves callers has no use for the secret to sign with.
        environment = without_signing_key(os.environ)
        started = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if started.returncode:
            raise DeploymentError(f"keeper: expected supervisord to start; found: {started.stderr.strip()[-300:]}")

    def alive(self) -> bool:
        """Whether supervisord answers."""
        try:
            return bool(self._ask("getState"))
        except DeploymentError:
            return False

    def add(self, name: str, command: Sequence[str], log: Path) -> None:
        """Start a program and keep it running."""
        self._conf(name).write_text(
            _PROGRAM.format(
                name=name,
                command=_escaped(shlex.join(command)),
                directory=_escaped(Path.cwd()),
                log=_escaped(log),
                seconds=_STOP_SECONDS,
            ),
            encoding="utf-8",
        )
        self._ask("reloadConfig")
        self._ask("addProcessGroup", name)

    def remove(self, name: str) -> None:
        """End a program: SIGTERM, later SIGKILL. One that is not there is no error."""
        if name in self.programs():
            try:
                self._ask("stopProcess", name)
            except DeploymentError as error:
                if "NOT_RUNNING" not in str(error):
                    raise
            self._ask("removeProcessGroup", name)
        self._conf(name).unlink(missing_ok=True)

    def programs(self) -> list[str]:
        """The names of what is kept."""
        return [found["name"] for found in self._ask("getAllProcessInfo")]

    def running(self, name: str) -> int | None:
        """The process number of a program; None while it is away."""
        found = self._ask("getProcessInfo", name)
        return found["pid"] if found["statename"] in ("STARTING", "RUNNING") and found["pid"] else None

    def end(self) -> None:
        """End every program, then supervisord itself."""
        for name in self.programs():
            self.remove(name)
        pid = self._ask("getPID")
        self._ask("shutdown")
        await_end(pid, _STOP_SECONDS)

    def _conf(self, name: str) -> Path:
        return self._folder / "programs" / f"{name}.conf"

    def _ask(self, method: str, *arguments: Any) -> Any:
        from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

        transport = SupervisorTransport(None, None, f"unix://{self._sockets / 'keeper.sock'}")
        try:
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except Fault as error:
            raise DeploymentError(f"keeper: expected it to do {method}; found {error.faultString}") from None
        except OSError as error:
            raise DeploymentError(f"keeper: expected it to answer; found {type(error).__name__}") from None


def _escaped(text: object) -> str:
    """As supervisord's configuration takes it."""
    return str(text).replace("%", "%%")
