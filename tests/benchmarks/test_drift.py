"""The benchmark of drift, on few rows and without its peer: the figures are there."""

import json
from pathlib import Path

import pytest

from benchmarks.drift import features, main, write_side


def test_ours_is_measured_and_has_scores_of_every_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, side in enumerate(("reference", "current")):
        write_side(tmp_path / f"{side}.arrow", 2_000, seed, float(seed))
    assert main(["--side", "ours", "--folder", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["scores"].keys() == {feature.name for feature in features()}
    assert found["scores"]["moved"]["wasserstein"] == pytest.approx(1.0, abs=0.1)
    assert found["seconds"] <= found["slowest"]
