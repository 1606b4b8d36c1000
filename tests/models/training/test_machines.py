"""A training over two machines that share object storage alone: a process each, with its own temporary folder."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from models.storage import download, exists, join, names, read_bytes, remove, upload, write_bytes
from models.training import checkpoint, node
from models.training.fit import fit
from models.training.job import Job
from models.training.node import ERROR, JOB, SUMMARY, main
from models.training.refit import refit
from models.training.train import TrainingRun, train
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.test_distributed import ROOT, assert_equal
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]
CONFIG = replace(TRAINING, epochs=2, state="as_of", learning_rate=0.001)
STILL = replace(MODEL, dropout=0.0, id_dropout=0.0)
KEEPS_ALL = (
    "import sys; from models.training import checkpoint; from models.training.node import main; "
    "checkpoint.BETWEEN_COPIES = 0; sys.exit(main(sys.argv[1], 'cpu'))"
)


def machine(rank: int, port: int, address: str, folder: Path) -> subprocess.Popen[str]:
    """What torchrun starts on one of two machines."""
    (folder / str(rank)).mkdir(parents=True)
    environment = {
        **os.environ,
        **{"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        "TMPDIR": str(folder / str(rank)),
    }
    command = [sys.executable, "-c", KEEPS_ALL, address]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def machines(address: str, folder: Path, kill_after: str = "") -> list[tuple[int, str, str]]:
    """Exit status and output of both; ``kill_after``: process 0 is killed when it has printed such a line."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [machine(rank, port, address, folder) for rank in (0, 1)]
    if kill_after:
        assert started[0].stdout is not None
        assert any(line.startswith(kill_after) for line in started[0].stdout)
        started[0].kill()
    found = [one.communicate(timeout=200) for one in started]
    return [(one.returncode, *texts) for one, texts in zip(started, found, strict=True)]


def test_machines_without_a_common_folder_fit_the_model_of_one_also_after_one_was_taken_away(
    tmp_path: Path, bucket: str
) -> None:
    """The second time both are new, and find the checkpoint in object storage; process 0 hands it on."""
    address, kept = join(bucket, "job"), join(bucket, "kept")
    small_graph().save(tmp_path / "graph")
    upload(tmp_path / "graph", join(address, "graph"))
    job = Job(Path("graph"), Path("model"), STILL, CONFIG, kept)
    write_bytes(join(address, JOB), job.text().encode())

    assert all(status != 0 for status, *_ in machines(address, tmp_path / "first", kill_after="epoch 1"))
    assert SUMMARY not in names(address)
    found = machines(address, tmp_path / "second")
    assert [status for status, *_ in found] == [0, 0], found
    lines = [line.partition(":")[0] for line in found[0][1].splitlines() if line.startswith("epoch")]
    assert "epoch 1" not in lines
    assert found[1][1] == "", "only process 0 prints"
    assert names(kept) == []

    download(join(address, "model"), tmp_path / "model")
    fit(small_graph(), STILL, CONFIG, tmp_path / "one" / "model", "cpu")
    assert_equal(tmp_path / "model", tmp_path / "one" / "model")
    assert json.loads(read_bytes(join(address, SUMMARY)))["epochs_run"] == 2

    upload(tmp_path / "model", join(address, "judged"))
    until = small_graph().schema.window("gate").end
    again = Job(Path("graph"), Path("refit"), checkpoint=kept, judged=Path("judged"), until=until)
    write_bytes(join(address, JOB), again.text().encode())
    assert [status for status, *_ in machines(address, tmp_path / "third")] == [0, 0]
    download(join(address, "refit"), tmp_path / "refit")
    refit(small_graph(), tmp_path / "model", until, tmp_path / "alone" / "refit", "cpu")
    assert_equal(tmp_path / "refit", tmp_path / "alone" / "refit")


def test_a_model_that_is_not_uploaded_costs_no_training(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next machine goes on at the checkpoint, which stays until the summary is written."""
    monkeypatch.setattr(checkpoint, "BETWEEN_COPIES", 0)
    address, kept = join(bucket, "job"), join(bucket, "kept")
    small_graph().save(tmp_path / "graph")
    train(small_graph(), STILL, CONFIG, tmp_path / "judged", device="cpu")
    for name in ("graph", "judged"):
        upload(tmp_path / name, join(address, name))
    until = small_graph().schema.window("gate").end
    fits = Job(Path("graph"), Path("model"), STILL, CONFIG, kept)
    for job in (fits, replace(fits, judged=Path("judged"), until=until)):
        write_bytes(join(address, JOB), job.text().encode())
        remove(join(address, SUMMARY))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / f"first-{job.until}"))
        with monkeypatch.context() as away:
            away.setattr(node, "upload", mock.Mock(side_effect=ConnectionError))
            with pytest.raises(ConnectionError):
                main(address, "cpu")
        assert names(kept) != []
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / f"second-{job.until}"))
        with monkeypatch.context() as trained:
            trained.setattr(TrainingRun, "_run_epoch", mock.Mock(side_effect=AssertionError("trains again")))
            assert main(address, "cpu") == 0
        assert names(kept) == []
        assert exists(join(address, SUMMARY))


def test_a_node_without_its_gpus_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(str(tmp_path), "cuda") == 1
    assert "HELIOGRAPH_TRAIN_IMAGE" in json.loads((tmp_path / ERROR).read_bytes())["message"]


def test_an_error_that_would_come_again_is_written_down(tmp_path: Path, bucket: str) -> None:
    address = join(bucket, "job")
    small_graph().save(tmp_path / "graph")
    upload(tmp_path / "graph", join(address, "graph"))
    job = Job(Path("graph"), Path("model"), MODEL, replace(CONFIG, learning_rate=1e30))
    write_bytes(join(address, JOB), job.text().encode())
    found = machines(address, tmp_path / "machines")
    assert found[0][0] == 1
    assert json.loads(read_bytes(join(address, ERROR)))["kind"] == "DivergedError"
    assert "lower learning_rate" in found[0][2]
