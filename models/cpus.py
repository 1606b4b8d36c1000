"""How many CPUs this process may use, and as many OpenMP threads.

Imports only the standard library, so that ``models/__init__.py`` can call ``limit_threads`` before torch is loaded.
"""

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def usable_cpus(root: Path = _ROOT) -> int:
    """CPUs that this process may use: its affinity, limited by the CPU quota of its control groups (rounded up); >= 1.

    ``root`` holds ``proc`` and ``sys``. Control groups of versions 1 and 2 are read, with all their parents.
    """
    allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(root))]))


def limit_threads() -> None:
    """Set OMP_NUM_THREADS for this process and its children, unless it is set already.

    libgomp reads it on loading; if torch is loaded already, its number of threads is set too.
    """
    cpus = usable_cpus()
    if "OMP_NUM_THREADS" in os.environ or cpus >= len(os.sched_getaffinity(0)):
        return  # OpenMP respects the affinity by itself
    os.environ["OMP_NUM_THREADS"] = str(cpus)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(min(cpus, torch.get_num_threads()))


def _quotas(root: Path) -> Iterator[float]:
    """The quotas, in CPUs, of the process's control groups and all groups above them."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, entry = line.partition(":")
        controllers, _, group = entry.partition(":")
        if not controllers:
            mounts, read = ("sys/fs/cgroup", "sys/fs/cgroup/unified"), _quota
        elif "cpu" in controllers.split(","):
            mounts, read = (f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"), _quota_v1
        else:
            continue
        for mount in mounts:
            folder = root / mount / group.strip("/")
            # A container sees its own group at the top of the mount, while the path may be the host's.
            for place in [folder, *folder.parents]:
                if not place.is_relative_to(root / mount):
                    break
                if (quota := read(place)) is not None:
                    yield quota


def _quota(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    return _share(quota, period)


def _quota_v1(folder: Path) -> float | None:
    return _share(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _share(quota: str, period: str) -> float | None:
    """CPUs; None where there is no limit (``max``, -1) or the files are missing."""
    try:
        found = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return found if found > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
