import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
import torch
from safetensors.torch import load_file

from models.storage import join, names
from models.training.__main__ import main
from models.training.artifact import load_model
from models.training.distributed import Ranks, ranks
from models.training.train import train
from tests.models.training.small import small_graph
from tests.models.training.test_history import one_domain
from tests.models.training.test_step import STILL, gradients
from tests.models.training.worker import CONFIG, FROM_HISTORY, LEARNS_MORE
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]
pytestmark = pytest.mark.long(25)
ROOT = Path(__file__).resolve().parents[3]


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes on loopback; the rendezvous picks a free port."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.run(
        [sys.executable, *launch, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the processes have it: where a gradient is zero but for rounding, Adam makes a step of any other order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_two_processes_train_the_model_of_one_also_after_one_of_them_was_killed(tmp_path: Path, bucket: str) -> None:
    """The second time on another machine: it finds the checkpoint in object storage."""
    killed = torchrun("-m", "tests.models.training.worker", str(tmp_path), "dies", join(bucket, "kept"))
    assert killed.returncode != 0  # and the other process did not wait for ever
    assert not (tmp_path / "model").exists()
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["epoch_0001"]
    gradient = gradients(small_graph())[1]
    for rank in range(2):
        torch.testing.assert_close(load_file(tmp_path / f"gradients_{rank}.safetensors"), gradient, atol=1e-5, rtol=0)

    rmtree(tmp_path / "checkpoint")
    again = torchrun("-m", "tests.models.training.worker", str(tmp_path), "lives", join(bucket, "kept"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "epochs").read_text() == "2\n", "it began at the first epoch"
    assert not (tmp_path / "checkpoint").exists()
    assert names(bucket) == []
    assert_equal(tmp_path / "model", train(small_graph(), STILL, CONFIG, tmp_path / "one", device="cpu"))


def test_two_processes_with_a_second_loss_learned_weights_and_pre_training(tmp_path: Path) -> None:
    """One process takes the parts one after the other: the long-term loss finds its negatives within a part."""
    found = torchrun("-m", "tests.models.training.worker", str(tmp_path), "learns more", "")
    assert found.returncode == 0, found.stderr
    one = train(one_domain(), LEARNS_MORE, replace(FROM_HISTORY, accumulate=2), tmp_path / "one", device="cpu")
    assert_equal(tmp_path / "model", one)
    assert load_model(one).ranker.task_spread.abs().min() > 1e-3


def assert_equal(found: Path, expected: Path) -> None:
    """Two artifacts of one training, up to the order in which numbers were added."""
    two, one = load_model(found), load_model(expected)
    assert one.training["epochs"] == two.training["epochs"]
    for first, second in zip(one.training["history"], two.training["history"], strict=True):
        assert first == pytest.approx(second, abs=1e-5)
    torch.testing.assert_close(dict(two.ranker.state_dict()), dict(one.ranker.state_dict()), atol=1e-5, rtol=0)


def test_the_command_fits_a_stored_graph_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_graph().save(tmp_path / "graph")
    (tmp_path / "training.json").write_text('{"epochs": 1, "batch_size": 64}')
    arguments = ["--graph", str(tmp_path / "graph"), "--out", str(tmp_path / "out" / "model"), "--device", "cpu"]
    sizes = '{"width": 8, "heads": 2, "graph_tokens": 2, "activities": 5}'
    assert main([*arguments, "--model", sizes, "--training", str(tmp_path / "training.json")]) == 0
    assert load_model(tmp_path / "out" / "model").ranker.config.width == 8
    assert capsys.readouterr().out.splitlines()[-1].startswith("Next: ")
    assert main([*arguments, "--model", '{"wide": 8}']) == 1
    assert "expected keys out of family, width" in capsys.readouterr().err
    assert main([*arguments, "--training", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_without_torchrun_a_process_is_alone() -> None:
    loss = torch.tensor(2.0)
    assert ranks() == Ranks(0, 1)
    assert ranks().sum_gradients([], loss) is loss
    assert ranks().share({"a": 1.0}, torch.device("cpu")) == {"a": 1.0}
    ranks().wait()
