"""One run of the training pipeline on the real logs, by the real command; every test here looks at that run."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from serving.deployment import endpoint
from tests.real_logs.run import ROOT, Run, stolen


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The finished run; its endpoint is put down at the end."""
    state = tmp_path_factory.mktemp("real") / "state"
    data = os.environ["HELIOGRAPH_KUAIRAND"]
    arguments = ["--spec", "configs/kuairand.yaml", "--data", data, "--state", str(state)]
    started, kept = time.monotonic(), stolen()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "local", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started - (stolen() - kept)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    print(done.stdout)
    yield Run(state, seconds, done.stdout)
    endpoint.down(state)
