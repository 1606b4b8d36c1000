"""Checkpoints and folders of TrainJobs that pruning removes."""

import os
import time
from pathlib import Path

from models.files import write_text
from models.storage import exists, write_bytes
from models.time_units import DAY
from pipelines.prune_files import old_checkpoints, old_jobs
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]


def test_checkpoints_in_object_storage(bucket: str) -> None:
    """A fit by its digest; one that goes on stays."""
    for digest in ("a" * 64, "b" * 64):
        write_bytes(f"{bucket}/checkpoints/news/{digest}/train/epoch-1/progress.json", b"{}")
    after = (int(time.time()) + 60) * 1_000_000
    assert old_checkpoints(bucket, "news", after - 2 * DAY) == []
    found = old_checkpoints(bucket, "news", after)
    assert [one.address.rpartition("/")[2] for one in found] == ["a" * 64, "b" * 64]
    found[0].remove()
    assert not exists(found[0].address)
    assert exists(found[1].address)


def test_a_folder_of_a_job_stays_for_a_week(tmp_path: Path) -> None:
    """Whatever the limit: its inputs do not change while it trains."""
    now = time.time()
    for days in (6, 8):
        os.utime(write_text(tmp_path / f"jobs/news/train-{days}/graph/x", "x"), (now - days * 86_400,) * 2)
    (found,) = old_jobs(str(tmp_path), "news", int(now * 1_000_000))
    assert (found.kind, found.address) == ("job", str(tmp_path / "jobs/news/train-8"))
    found.remove()
    assert not exists(found.address)
