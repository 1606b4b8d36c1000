"""Training throughput (seeds/s) on an idle machine and next to one busy process of the same niceness.

The default model is trained on a random graph. Next to one busy process, the fair share of the idle throughput is
(cores - 1/2) / cores: the busy process takes half of one core. The peer is the same training without the spin control
of ``models.spinning``. Both take many short turns in one process, because the machine's speed varies by 10 % within a
minute and between processes.

    python -m benchmarks.contention [--rounds 20] [--seconds 2]
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from time import perf_counter

from benchmarks.table import show
from models.cpus import usable_cpus
from models.spinning import limited_spinning

FAIR = 0.6
"""Bar: share of the fair share reached next to one busy process."""
ALONE = 0.95
"""Bar: share of the peer's throughput on an idle machine."""
KINDS = ("ours", "defaults")
_MEMBERS, _ITEMS, _IMPRESSIONS = 2_000, 1_000, 40_000
_BUSY = "while True: pass"


class Trainer:
    """A process that trains for a given time on request and returns seeds per second."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in _OPENMP}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contention", "--worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._read_line()

    def train(self, kind: str, seconds: float) -> float:
        """Train for at least ``seconds``; return seeds per second."""
        assert self._process.stdin is not None
        print(kind, seconds, file=self._process.stdin, flush=True)
        return float(self._read_line())

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"training process: expected a figure; it ended with {self._process.wait()}")
        return line


_OPENMP = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY")


def work() -> None:
    """Run the training process: read lines of kind and seconds, write lines of seeds per second."""
    import torch

    from models.configs.model import ModelConfig
    from models.configs.training import TrainingConfig
    from models.graph.fakes import fake_graph
    from models.nn.build import build_ranker
    from models.nn.encoded import encode_graph
    from models.nn.encoding import Encoding
    from models.training.labels import labelled
    from models.training.trainer import Trainer

    graph, config = fake_graph(_MEMBERS, _ITEMS, impressions=_IMPRESSIONS), TrainingConfig()
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    encoded = encode_graph(encoding, graph.schema, graph)
    torch.manual_seed(0)
    ranker = build_ranker(ModelConfig(), graph.schema, encoding)
    trainer, rows = Trainer(ranker, config), labelled(graph, ["train"])
    rows = rows[: 4 * config.batch_size]

    def epoch() -> None:
        trainer.run_epoch(encoded, rows, epoch=0)

    epoch()
    print("ready", flush=True)
    for line in sys.stdin:
        kind, seconds = line.split()
        with limited_spinning() if kind == "ours" else nullcontext():
            started, seeds = perf_counter(), 0
            while perf_counter() - started < float(seconds):
                epoch()
                seeds += len(rows)
            print(seeds / (perf_counter() - started), flush=True)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Run ``count`` processes that each keep a core busy."""
    with ExitStack() as stack:
        for _ in range(processes):
            process = subprocess.Popen([sys.executable, "-c", _BUSY])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def measure(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Seeds per second with the spin control (``ours``) and without (``defaults``), idle and next to a busy process."""
    found: dict[str, list[float]] = {}
    trainer = Trainer()
    try:
        for turn in range(rounds):
            for others, name in ((0, "alone"), (1, "beside_one")):
                for kind in KINDS if turn % 2 else reversed(KINDS):
                    with busy(others):
                        found.setdefault(f"{kind}_{name}", []).append(trainer.train(kind, seconds))
    finally:
        trainer.stop()
    return found


def main() -> int:
    """Measure and print; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="turns of every setting")
    parser.add_argument("--seconds", type=float, default=2.0, help="of training a turn")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        work()
        return 0
    found = measure(chosen.rounds, chosen.seconds)
    cores = usable_cpus()
    median = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        print(f"{name:<20} {median[name]:8,.0f} seeds/s ({min(values):,.0f} to {max(values):,.0f})")
    fair = median["ours_alone"] * (cores - 0.5) / cores
    figures = {
        "of_the_fair_share": median["ours_beside_one"] / fair,
        "of_the_defaults_alone": median["ours_alone"] / median["defaults_alone"],
    }
    bars = {
        f"of_the_fair_share_at_least_{FAIR}": figures["of_the_fair_share"] >= FAIR,
        f"of_the_defaults_alone_at_least_{ALONE}": figures["of_the_defaults_alone"] >= ALONE,
    }
    return show("contention", {"cores": cores, **median, **figures}, bars)


if __name__ == "__main__":
    sys.exit(main())
