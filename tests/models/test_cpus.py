"""How many CPUs a process may use, and the settings of its OpenMP threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.cpus import usable_cpus

ALLOWED = len(os.sched_getaffinity(0))
ANSWER = (
    "import json, os, models, torch; print(json.dumps([torch.get_num_threads(), os.environ.get('OMP_NUM_THREADS')]))"
)


def machine(root: Path, groups: str, **files: str) -> Path:
    """A root folder with the process's control groups and the files of ``sys/fs/cgroup``; ``|`` stands for ``/``."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("|", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def _sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, 16),  # no control groups
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),  # a container of version 2 sees its group at the top
        ("0::/a/b\n", {"a|b|cpu.max": "max 100000\n", "a|cpu.max": "250000 100000\n"}, 3),  # a parent's, rounded up
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),  # less than one
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 16),  # more than the affinity
        ("0::/\n", {"cpu.max": "nonsense\n"}, 16),
        ("0::/\n", {"cpu.max": "100000 0\n"}, 16),
        (
            "4:cpu,cpuacct:/pod\n0::/\n",
            {"cpu,cpuacct|pod|cpu.cfs_quota_us": "200000\n", "cpu,cpuacct|pod|cpu.cfs_period_us": "100000\n"},
            2,
        ),
        ("4:cpu:/pod\n", {"cpu|cpu.cfs_quota_us": "150000\n", "cpu|cpu.cfs_period_us": "50000\n"}, 3),  # as a container
        ("4:cpu:/\n", {"cpu|cpu.cfs_quota_us": "-1\n", "cpu|cpu.cfs_period_us": "100000\n"}, 16),
        ("4:cpuset:/\n", {"cpuset|cpu.cfs_quota_us": "100000\n", "cpuset|cpu.cfs_period_us": "100000\n"}, 16),
    ],
)
def test_the_quota_cuts_the_affinity(tmp_path: Path, groups: str, files: dict[str, str], expected: int) -> None:
    assert usable_cpus(machine(tmp_path, groups, **files)) == expected


def openmp_settings(before: str = "", **environment: str) -> list[int | str | None]:
    """Threads of torch, and the variable, in a fresh process that imports ``models`` first."""
    clean = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", before + ANSWER]
    return json.loads(subprocess.run(command, env=clean | environment, capture_output=True, check=True).stdout)


def test_threads_follow_the_affinity() -> None:
    assert openmp_settings("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); ")[0] == 1


@pytest.mark.parametrize("first", ["", "import torch; "])
def test_threads_follow_the_quota(first: str) -> None:
    # The process reads a quota of one CPU, as in a pod.
    limited = (
        "import os, pathlib; read = pathlib.Path.read_text; "
        "pathlib.Path.read_text = lambda path, **o: {'cgroup': '0::/', 'cpu.max': '100000 100000'}.get(path.name) "
        "or read(path, **o); "
    )
    assert openmp_settings(first + limited) == [1, "1" if ALLOWED > 1 else None]


def test_what_the_user_has_set_stays() -> None:
    assert openmp_settings(OMP_NUM_THREADS="1") == [1, "1"]


def test_the_affinity_alone_sets_nothing() -> None:
    assert openmp_settings() == [ALLOWED, None]
