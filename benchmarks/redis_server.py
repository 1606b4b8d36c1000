"""A private redis-server that can be killed, paused and restarted."""

import signal
import subprocess
import time
from pathlib import Path

import redis

from serving.settings.listening import LOOPBACK, free_port


class RedisServer:
    """Starts when constructed; ``folder``, which is created, holds its snapshot. Call ``kill`` at the end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._port = folder, free_port(LOOPBACK)
        self.address = f"{LOOPBACK}:{self._port}"
        self.start()

    def start(self) -> None:
        """Start from the snapshot; return once it responds."""
        command = ["redis-server", "--bind", LOOPBACK, "--port", str(self._port), "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
        with redis.Redis(LOOPBACK, self._port) as client:
            while not _responds(client):
                if self._process.poll() is not None:
                    raise RuntimeError(f"redis-server: expected it to run; it ended with {self._process.returncode}")
                time.sleep(0.01)

    def save(self) -> None:
        """Save a snapshot for the next start."""
        with redis.Redis(LOOPBACK, self._port) as client:
            client.save()

    def halt(self) -> None:
        """Pause the process: connections stay open without responses."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Resume after ``halt``."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()
        self._process.wait()


def _responds(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:  # refused, or still loading
        return False
