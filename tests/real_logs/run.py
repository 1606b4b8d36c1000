"""What a run of the training pipeline leaves in its state folder."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Run(NamedTuple):
    """A finished run."""

    state: Path
    """Its folder: read only."""
    seconds: float
    printed: str

    def made(self, step: str, artifact: str) -> Path:
        """An artifact, by its step's name."""
        (found,) = self.state.glob(f"pipeline/*/{step}/{artifact}")
        return found
