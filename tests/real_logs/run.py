"""What a run of the training pipeline leaves in its state folder."""

from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]


class Run(NamedTuple):
    """A finished run."""

    state: Path
    """Its folder: read only."""
    seconds: float
    """How long it took, less what the host of a virtual machine kept from each of its CPUs (``stolen``)."""
    printed: str

    def made(self, step: str, artifact: str) -> Path:
        """An artifact, by its step's name."""
        (found,) = self.state.glob(f"pipeline/*/{step}/{artifact}")
        return found


def stolen() -> float:
    """Seconds since the machine's start that its host kept from a CPU which had work, mean over the CPUs."""
    times = psutil.cpu_times(percpu=True)
    return sum(float(getattr(one, "steal", 0.0)) for one in times) / len(times)
