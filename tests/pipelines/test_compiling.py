"""KFP compiles a pipeline without searching the sources of its callers, and its errors name them as before."""

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from kfp.dsl import pipeline_task

from pipelines.catalogue import compile_pipeline
from pipelines.compiling import callers_by_name


def define() -> None:
    """Define a pipeline that KFP refuses: a limit of an importer."""

    @dsl.pipeline(name="limits-of-an-importer")
    def refused() -> None:
        dsl.importer(artifact_uri="file:///nowhere", artifact_class=dsl.Artifact).set_memory_limit("1G")


def test_no_source_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("expected no search")

    monkeypatch.delitem(sys.modules, "pipelines.refresh", raising=False)
    monkeypatch.setattr(inspect, "stack", refuse)
    assert compile_pipeline("refresh", tmp_path / "refresh.yaml").stat().st_size > 10_000
    with pytest.raises(AssertionError, match="expected no search"):
        define()


def test_an_error_of_kfp_names_the_setting() -> None:
    with callers_by_name(), pytest.raises(ValueError, match=r"^set_memory_limit can only be used on single-step"):
        define()
    assert pipeline_task.inspect is inspect
