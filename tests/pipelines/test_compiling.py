"""KFP compiles a pipeline without searching the sources of its callers, and its errors name them as before."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, components, dsl
from kfp.compiler import pipeline_spec_builder
from kfp.dsl import pipeline_task, structures

from pipelines.catalogue import compile_pipeline
from pipelines.compiling import callers_by_name, yaml_by_libyaml
from pipelines.refresh import refresh


def define() -> None:
    """Define a pipeline that KFP refuses: a limit of an importer."""

    @dsl.pipeline(name="limits-of-an-importer")
    def refused() -> None:
        dsl.importer(artifact_uri="file:///nowhere", artifact_class=dsl.Artifact).set_memory_limit("1G")


def test_no_source_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("expected no search")

    monkeypatch.setattr(inspect, "stack", refuse)
    assert compile_pipeline("refresh", tmp_path / "refresh.yaml").stat().st_size > 10_000
    with pytest.raises(AssertionError, match="expected no search"):
        define()


def test_an_error_of_kfp_names_the_setting() -> None:
    with callers_by_name(), pytest.raises(ValueError, match=r"^set_memory_limit can only be used on single-step"):
        define()
    assert pipeline_task.inspect is inspect


def test_what_is_written_and_read_is_the_same_as_with_kfps_own_yaml(tmp_path: Path) -> None:
    own, fast = tmp_path / "own.yaml", tmp_path / "fast.yaml"
    compile_pipeline("refresh", fast)
    with callers_by_name():
        compiler.Compiler().compile(dsl.pipeline(refresh, name="heliograph-refresh"), str(own))
    with yaml_by_libyaml():
        loaded = [components.load_component_from_file(str(path)) for path in (own, fast)]
    slow = components.load_component_from_file(str(fast))
    assert loaded[0].pipeline_spec == loaded[1].pipeline_spec == slow.pipeline_spec
    assert loaded[0].platform_spec == loaded[1].platform_spec == slow.platform_spec
    assert pipeline_spec_builder.yaml is structures.yaml is yaml
