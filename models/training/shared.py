"""Folders of process 0 on the other machines of a training: its checkpoint and its model, which all processes read.

They travel through the process group, so that machines need no common file system.
"""

import json
from pathlib import Path
from shutil import rmtree

import torch
from torch import Tensor, distributed

from models.files import replaced_folder
from models.training.distributed import Ranks

_BLOCK = 64 << 20
"""Bytes that are sent at once."""


def share_folder(processes: Ranks, folder: Path) -> None:
    """Wait until all processes are here; then ``folder`` is everywhere as process 0 has it, or missing as there.

    On one machine, where all processes see one folder, it only waits. Each other machine's first process writes.
    """
    if processes.machines > 1:
        writes = processes.local_rank == 0 and not processes.leads
        sizes = json.loads(_sent(json.dumps(_sizes(folder)).encode() if processes.leads else b""))
        if sizes is None:
            if writes:
                rmtree(folder, ignore_errors=True)
        elif writes:
            with replaced_folder(folder) as fresh:
                _exchange(processes.leads, folder, fresh, sizes)
        else:
            _exchange(processes.leads, folder, None, sizes)
    processes.wait()


def _sizes(folder: Path) -> dict[str, int] | None:
    """Bytes of every file by relative path; None without a folder."""
    if not folder.is_dir():
        return None
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}


def _exchange(leads: bool, source: Path, target: Path | None, sizes: dict[str, int]) -> None:
    """Send every file in blocks; write them to ``target`` unless it is None."""
    for name, size in sizes.items():
        content = (source / name).read_bytes() if leads else b""
        blocks = [_sent(content[at : at + _BLOCK]) for at in range(0, size, _BLOCK)]
        if target is not None:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(b"".join(blocks))


def _sent(content: bytes) -> bytes:
    """Process 0's bytes, in every process."""
    device = _device()
    length = torch.tensor([len(content)], dtype=torch.int64, device=device)
    distributed.broadcast(length, src=0)
    size = int(length.item())
    if distributed.get_rank() == 0:
        data: Tensor = torch.frombuffer(bytearray(content), dtype=torch.uint8).to(device)
    else:
        data = torch.empty(size, dtype=torch.uint8, device=device)
    distributed.broadcast(data, src=0)
    return data.cpu().numpy().tobytes()


def _device() -> torch.device:
    """Where the backend takes tensors from."""
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
