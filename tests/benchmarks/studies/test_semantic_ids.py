"""The study of semantic IDs: counts strictly before, codes of another member, and the page of a tiny world."""

import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.studies.semantic.as_of import Counts
from benchmarks.studies.semantic.light import FORMS, Side, quantized, shuffled
from benchmarks.studies.semantic.sample import Vectors
from benchmarks.studies.semantic.world import simulated
from benchmarks.studies.semantic_ids import main


def test_counts_are_of_the_key_and_strictly_before() -> None:
    counts = Counts(np.array([3, 1, 3, 3]), np.array([10, 12, 12, 30]), 10)
    found = counts.before(np.array([3, 3, 3, 1, 2]), np.array([10, 12, 31, 13, 40]))
    assert found.tolist() == [0, 1, 3, 1, 0]


def sides() -> tuple[Vectors, Side]:
    """Two vectors a member, one a cut; the last row has none."""
    values = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    row = np.array([*range(80), -1])
    vectors = Vectors(values, np.arange(40), row, np.tile(np.arange(40), 2))
    return vectors, quantized(vectors, 1)


def test_a_row_without_a_vector_has_no_form_of_it() -> None:
    _, side = sides()
    assert not any(part[-1].any() for part in (side.dense, *side.codes))
    assert (side.codes.residual[:-1] > 0).all()


def test_the_control_gives_all_rows_of_a_member_the_codes_of_one_other() -> None:
    vectors, side = sides()
    control = shuffled(side, vectors, 1)
    assert torch.equal(control.codes.scalar[:40], control.codes.scalar[40:80])
    assert not torch.equal(control.codes.scalar[:40], side.codes.scalar[:40])


def test_a_row_reads_vectors_of_what_was_before() -> None:
    sample = simulated("tiny", 7)
    vectors = sample.vectors["member"]
    assert len(vectors.row) == len(sample.label) == len(sample.source_events)
    assert ((vectors.row >= 0) == (sample.source_events > 0)).all()
    assert (vectors.key[vectors.row[vectors.row >= 0]] == sample.user[vectors.row >= 0]).all()


def test_a_run_writes_the_page_and_leaves_the_samples_of_others(tmp_path: Path) -> None:
    other = {"name": "other", **{key: {} for key in ("parts", "bytes", "codes", "use")}, "about": "x", "notes": []}
    (tmp_path / "semantic_ids.json").write_text(json.dumps({"samples": [{**other, "dense_above_none": False}]}))
    assert main(["--size", "tiny", "--seeds", "1", "--draws", "20", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "semantic_ids.md").read_text(encoding="utf-8")
    samples = json.loads((tmp_path / "semantic_ids.json").read_text(encoding="utf-8"))["samples"]
    assert [one["name"] for one in samples] == ["other", "simulated network (tiny)"]
    assert list(samples[1]["parts"]["all"]["lines"]) == list(FORMS)
    assert samples[1]["bytes"]["dense"] == {"member": 64}
    assert "## other" in page
    assert "--size tiny --seeds 1 --draws 20" in page
