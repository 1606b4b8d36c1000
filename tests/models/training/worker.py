"""One process of a data parallel training, started by ``test_distributed.py`` through torchrun."""

import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from safetensors.torch import save_file

from models.training import checkpoint
from models.training.distributed import process_group, ranks
from models.training.train import train
from tests.models.training.small import TRAINING, small_graph
from tests.models.training.test_history import one_domain
from tests.models.training.test_step import STILL, gradients

CONFIG = replace(TRAINING, epochs=2, batch_size=48, learning_rate=0.001, state="as_of", accumulate=2, slice=2)
LEARNS_MORE = replace(STILL, long_term=2, task_weighting="uncertainty", experts=2)
FROM_HISTORY = replace(CONFIG, accumulate=1, history_events=96)
"""With the losses and the pre-training that a plain model does without."""


def main(folder: Path, what: str, address: str) -> None:
    checkpoint.BETWEEN_COPIES = 0

    def log(metrics: dict[str, float], epoch: int) -> None:
        if what == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        with (folder / "epochs").open("a") as file:
            print(epoch, file=file)

    with process_group("cpu", wait=timedelta(seconds=60)):
        assert ranks().size == int(os.environ["WORLD_SIZE"])
        if what == "learns more":
            train(one_domain(), LEARNS_MORE, FROM_HISTORY, folder / "model", device="cpu")
            return
        found = gradients(small_graph(), accumulate=2, ranks=ranks())[1]
        save_file(found, folder / f"gradients_{ranks().rank}.safetensors")
        train(small_graph(), STILL, CONFIG, folder / "model", device="cpu", log=log, checkpoint=address or None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
