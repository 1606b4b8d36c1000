"""Data parallel training: N processes, each with the whole graph and one part of every step's seeds.

``torchrun --nproc-per-node N -m models.training ...`` starts them, with gloo on CPUs and NCCL on GPUs. All processes
draw the same order of seeds, hence the same global batches. Each loss is divided by the GLOBAL batch's number of
labels, so the sum of the processes' gradients is the gradient of one process with the whole batch. It is exchanged
once per step as one flat tensor, after which the weights are equal without further synchronization.

Process 0 alone validates and writes; the others wait for it, ``WAIT`` at most. If a process dies, training ends: its
peers' next exchange fails (gloo sees the closed connection, NCCL's watchdog aborts after ``WAIT``), and torchrun stops
them once it notices. Processes of one machine share a folder of checkpoints and artifact; to other machines process 0's
is copied (``models.training.shared``).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

from models.training.devices import best_device
from models.training.errors import ProcessError

WAIT = timedelta(minutes=30)
"""Maximum wait for another process: longer than process 0 takes to validate."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of one training; by default the only one."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Its place among the processes of its machine."""
    machines: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def sum_gradients(self, parameters: Sequence[Parameter], loss: Tensor) -> Tensor:
        """Set every ``grad`` to the sum over all processes, in one exchange; returns the sum of the scalar losses.

        A parameter without a gradient in every process keeps None: the optimizer skips it, as with one process.
        """
        if self.size == 1:
            return loss
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        reached = torch.tensor([p.grad is not None for p in parameters], dtype=loss.dtype, device=loss.device)
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), reached, loss.view(1)])
        distributed.all_reduce(flat)
        *parts, reached, loss = flat.split([*(p.numel() for p in parameters), len(parameters), 1])
        for parameter, part, used in zip(parameters, parts, (reached > 0).tolist(), strict=True):
            parameter.grad = part.view_as(parameter) if used else None
        return loss.squeeze(0)

    def share(self, values: dict[str, float], device: torch.device) -> dict[str, float]:
        """Process 0's values, in every process; all have the same keys."""
        if self.size == 1:
            return values
        numbers = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
        distributed.broadcast(numbers, src=0)
        return dict(zip(values, numbers.tolist(), strict=True))

    def agree(self, what: str, value: float, device: torch.device) -> None:
        """Wait for all processes and compare their values. Raises ProcessError where one differs from process 0's."""
        first = self.share({what: float(value)}, device)[what]
        if first != value:
            raise ProcessError(
                f"{what}: expected process 0's {first:g}; process {self.rank} found {value:g}: the processes need one "
                "checkpoint folder that all of them see"
            )
        self.wait()

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()


def ranks() -> Ranks:
    """This process's rank; the only one outside ``process_group``."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Ranks()
    rank, size = distributed.get_rank(), distributed.get_world_size()
    on_machine = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    return Ranks(rank, size, int(os.environ.get("LOCAL_RANK", "0")), size // on_machine)


@contextmanager
def process_group(device: str | None = None, wait: timedelta = WAIT) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if any; yields this process's device.

    ``device`` (cpu or cuda) None = CUDA if available; under torchrun each process takes one GPU of its host.
    """
    kind = device or best_device()
    if "WORLD_SIZE" not in os.environ:
        yield torch.device(kind)
        return
    own = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else torch.device(kind)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    distributed.init_process_group(
        "nccl" if own.type == "cuda" else "gloo", timeout=wait, device_id=own if own.type == "cuda" else None
    )
    try:
        yield own
    finally:
        distributed.destroy_process_group()
