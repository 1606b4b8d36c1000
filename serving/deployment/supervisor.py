"""Supervisor: starts the processes of an endpoint on this machine and restarts those that end (supervisord).

http://supervisord.org. It is controlled through a socket that only its owner may open.
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
"""From SIGTERM to SIGKILL; longer than a worker's drain plus its deadline."""
_DAEMON = """[supervisord]
pidfile = {sockets}/supervisor.pid
logfile = {folder}/supervisor.log
logfile_maxbytes = 1MB
logfile_backups = 1

[unix_http_server]
file = {sockets}/supervisor.sock
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


class Supervisor:
    """The supervisord of one folder. Its programs outlive the process that started them."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self._folder, self._sockets = folder, sockets

    def start(self) -> None:
        """Start supervisord without programs. Raises DeploymentError."""
        programs = self._folder / "programs"
        programs.mkdir(exist_ok=True)
        for left in programs.glob("*.conf"):
            left.unlink()
        configuration = self._folder / "supervisor.conf"
        places = {"folder": _escaped(self._folder), "sockets": _escaped(self._sockets)}
        configuration.write_text(_DAEMON.format(**places), encoding="utf-8")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        # Servers do not sign versions: keep the secret out of their environment.
        environment = without_signing_key(os.environ)
        started = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if started.returncode:
            raise DeploymentError(f"supervisor: expected supervisord to start; found: {started.stderr.strip()[-300:]}")

    def alive(self) -> bool:
        """Whether supervisord responds."""
        try:
            return bool(self._call("getState"))
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
        self._call("reloadConfig")
        self._call("addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Stop and remove a program: SIGTERM, later SIGKILL. An unknown program is no error."""
        if name in self.programs():
            try:
                self._call("stopProcess", name)
            except DeploymentError as error:
                if "NOT_RUNNING" not in str(error):
                    raise
            self._call("removeProcessGroup", name)
        self._conf(name).unlink(missing_ok=True)

    def programs(self) -> list[str]:
        """The names of all programs."""
        return [found["name"] for found in self._call("getAllProcessInfo")]

    def running(self, name: str) -> int | None:
        """The process ID of a program; None while it is not running."""
        found = self._call("getProcessInfo", name)
        return found["pid"] if found["statename"] in ("STARTING", "RUNNING") and found["pid"] else None

    def end(self) -> None:
        """Stop every program, then supervisord itself."""
        for program in self.programs():
            self.remove(program)
        pid = self._call("getPID")
        self._call("shutdown")
        await_end(pid, _STOP_SECONDS)

    def _conf(self, name: str) -> Path:
        return self._folder / "programs" / f"{name}.conf"

    def _call(self, method: str, *arguments: Any) -> Any:
        from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

        transport = SupervisorTransport(None, None, f"unix://{self._sockets / 'supervisor.sock'}")
        try:
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except Fault as error:
            raise DeploymentError(f"supervisor: expected it to do {method}; found {error.faultString}") from None
        except OSError as error:
            raise DeploymentError(f"supervisor: expected it to respond; found {type(error).__name__}") from None


def _escaped(text: object) -> str:
    """Escape text for supervisord's configuration."""
    return str(text).replace("%", "%%")
