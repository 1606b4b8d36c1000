"""The comparison pipeline on the tiny world with the real command, on a state folder without a champion."""

from pathlib import Path

import pytest

from models.spec import Spec
from tests.pipelines.pipeline import Pipeline

pytestmark = pytest.mark.long(30)


def test_comparison_prints_both_and_the_interval(lenient_spec: Spec, tmp_path: Path) -> None:
    printed = Pipeline(lenient_spec, tmp_path / "state").run("comparison")
    assert "single-domain" in printed
    assert "cross-domain" in printed
    assert "95% interval" in printed
