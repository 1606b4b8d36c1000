"""A state folder and the real command over it."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from models.spec import Spec
from serving.versions.registry import Registry


@dataclass
class Pipeline:
    """A state folder, and the command over it."""

    spec: Spec
    state: Path

    def command(self, pipeline: str) -> list[str]:
        file = self.state.parent / "tiny.json"
        file.write_text(self.spec.model_dump_json(by_alias=True), encoding="utf-8")
        arguments = ["--pipeline", pipeline, "--spec", str(file), "--state", str(self.state)]
        return [sys.executable, "-m", "pipelines", "local", *arguments]

    def run(self, pipeline: str) -> str:
        done = subprocess.run(self.command(pipeline), capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill_at(self, line: str) -> None:
        """Start the training pipeline, kill its runner with SIGKILL once ``line`` is printed, await its components."""
        runner = subprocess.Popen(self.command("training"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert runner.stdout is not None
        seen = next((printed for printed in runner.stdout if printed.startswith(line)), None)
        assert seen is not None, f"the run ended before {line!r}"
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        deadline = time.monotonic() + 30
        while _components_of(runner.pid):
            assert time.monotonic() < deadline, "components outlived their runner"
            time.sleep(0.05)

    @property
    def registry(self) -> Registry:
        return Registry(f"sqlite:///{self.state}/mlflow/mlflow.db")


def _components_of(runner: int) -> list[int]:
    """Processes that a runner has started, found by an environment variable that they inherit."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if f"HELIOGRAPH_RUNNER={runner}\0".encode() in environment + b"\0":
                found.append(int(process.name))
    return found
