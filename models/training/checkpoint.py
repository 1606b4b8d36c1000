"""Checkpoints: one complete folder per epoch, from which training continues to the same result as without a break.

On a cluster they are also copied to object storage, so that a training goes on where its machine was taken away.
"""

import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from models.files import replaced_folder
from models.nn.family import Family
from models.storage import names
from models.training.errors import CheckpointError
from models.training.files import write_json
from models.training.place import CheckpointPlace
from models.training.schedule import NeighbourSchedule

BETWEEN_COPIES = 300.0
"""Seconds after a copy in object storage until an epoch's checkpoint is copied again. The first one is copied at once:
so a place that cannot be written is known early."""
MARKER = "progress.json"


@dataclass
class Progress:
    """Progress of a training after an epoch. Order and dropout are seeded per epoch, so no random state is stored."""

    epoch: int = 0
    """Completed epochs."""
    best_epoch: int = 0
    """The epoch (from 1) with the best validation AUC; 0 before the first."""
    best_auc: float = float("-inf")
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry per epoch: loss and validation metrics."""
    largest_fan_outs: list[int | None] = field(default_factory=list)
    """The largest fan-out of each epoch; None = as in the schema."""
    neighbours: NeighbourSchedule | None = None
    """The adaptive schedule's current value; None = no such schedule."""
    stopped: dict[str, int] = field(default_factory=dict)
    """The tasks that have stopped, each with the epochs it was trained for."""

    @property
    def waited(self) -> int:
        """Epochs since the best one, or since the last one after which trees grew, whichever is later."""
        sizes = self.largest_fan_outs
        grew = [epoch for epoch in range(1, len(sizes)) if sizes[epoch] != sizes[epoch - 1]]
        if self.neighbours and sizes and self.neighbours.largest_fan_out != sizes[-1]:
            grew.append(self.epoch)
        return self.epoch - max(self.best_epoch, *grew[-1:], 0)


class Checkpoints:
    """The checkpoints of one run, in one folder, the last also in object storage if its place has an address."""

    def __init__(self, place: CheckpointPlace, run: str) -> None:
        """``run``: digest of graph and configuration; checkpoints of other runs are ignored."""
        self.place, self.folder, self.run = place, place.folder, run
        self._copied = -BETWEEN_COPIES

    def save(
        self,
        progress: Progress,
        ranker: Family,
        average: Family,
        optimizer: torch.optim.Optimizer,
        best: dict[str, Tensor],
    ) -> None:
        """Write the epoch's folder, then remove the older ones. ``best``: weights of any shape by name."""
        target = self.folder / f"epoch_{progress.epoch:04d}"
        with replaced_folder(target) as new:
            safetensors.torch.save_file(_flat(ranker.state_dict()), new / "weights.safetensors")
            safetensors.torch.save_file(_flat(average.state_dict()), new / "average.safetensors")
            safetensors.torch.save_file(_flat(best), new / "best.safetensors")
            safetensors.torch.save_file(_optimizer_tensors(optimizer), new / "optimiser.safetensors")
            write_json(new / MARKER, {"run": self.run, **asdict(progress)})
        for old in self._folders():
            if old != target:
                shutil.rmtree(old)
        if self.place.address and time.monotonic() - self._copied >= BETWEEN_COPIES:
            self.place.send(target.name, MARKER, alone=True)
            self._copied = time.monotonic()

    def fetch(self) -> None:
        """Copy the last whole checkpoint from object storage, unless this machine has one. Raises OSError."""
        for name in reversed(names(self.place.address) if self.place.address else []):
            if not self._folders():
                self.place.fetch(name, MARKER)

    def load(
        self, ranker: Family, average: Family, optimizer: torch.optim.Optimizer
    ) -> tuple[Progress, dict[str, Tensor]] | None:
        """Load model, average and optimizer from the last checkpoint; returns its progress and best weights.

        The weights have the shapes of the model. None if there is no checkpoint of this run. Raises CheckpointError if
        it is damaged.
        """
        folders = self._folders()
        if not folders:
            return None
        last = folders[-1]
        try:
            document: dict[str, Any] = json.loads((last / MARKER).read_text(encoding="utf-8"))
            if document.pop("run") != self.run:
                return None
            ranker.load_state_dict(safetensors.torch.load_file(last / "weights.safetensors"))
            average.load_state_dict(safetensors.torch.load_file(last / "average.safetensors"))
            _restore(optimizer, safetensors.torch.load_file(last / "optimiser.safetensors"))
            schedule = document.pop("neighbours")
            progress = Progress(**document, neighbours=NeighbourSchedule(**schedule) if schedule else None)
            return progress, safetensors.torch.load_file(last / "best.safetensors")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            copy = f" and {self.place.address}" if self.place.address else ""
            raise CheckpointError(f"{last}: expected a whole checkpoint; found {error}: delete it{copy}") from error

    def clear(self) -> None:
        """Remove all checkpoints."""
        self.place.clear()

    def _folders(self) -> list[Path]:
        return sorted(self.folder.glob("epoch_*"))


def _flat(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU, which safetensors requires."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return _flat({f"{place}.{name}": value for place, entry in state.items() for name, value in entry.items()})


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        place, name = key.split(".", 1)
        state.setdefault(int(place), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
