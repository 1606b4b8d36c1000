"""A redis-server of our own that can be killed, halted and started again."""

import signal
import subprocess
import time
from pathlib import Path

import redis

from serving.settings.listening import LOOPBACK, free_port


class RedisServer:
    """Runs once it is made; ``folder``, which is made too, holds what it has saved. ``kill`` it in the end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._port = folder, free_port(LOOPBACK)
        self.address = f"{LOOPBACK}:{self._port}"
        self.start()

    def start(self) -> None:
        """Start with what was saved; returns once it answers."""
        command = ["redis-server", "--bind", LOOPBACK, "--port", str(self._port), "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
        with redis.Redis(LOOPBACK, self._port) as client:
            while not _answers(client):
                if self._process.poll() is not None:
                    raise RuntimeError(f"redis-server: expected it to run; it ended with {self._process.returncode}")
                time.sleep(0.01)

    def save(self) -> None:
        """What is held now is held after the next start."""
        with redis.Redis(LOOPBACK, self._port) as client:
            client.save()

    def halt(self) -> None:
        """Connections stay, and nobody answers, until it goes on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After ``halt``."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:  # refused, or still loading
        return False
