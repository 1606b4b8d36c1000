"""The pipelines by name: compiling them, and their arguments."""

import warnings
from pathlib import Path
from typing import Any

from components.specs import write_spec
from models.files import replaced_file
from models.spec import Spec
from pipelines.compiling import callers_by_name, yaml_by_libyaml
from pipelines.errors import RunError
from pipelines.settings import ClusterSettings, compiled_with

PIPELINES = ("training", "refresh", "monitoring", "comparison", "act")
TRAINS = ("training", "act")
"""Pipelines that may train: they take GPUs for it, or the nodes of a TrainJob."""
READ_ONLY = ("monitoring", "comparison")
"""Pipelines that change nothing that serves: each has a Feast project of its own."""


def compile_pipeline(name: str, path: Path, settings: ClusterSettings | None = None) -> Path:
    """Compile a pipeline to YAML, atomically, with the settings of its tasks on a cluster; return ``path``.

    Raises RunError for an unknown name.
    """
    from importlib import import_module

    from kfp import compiler, dsl

    if name not in PIPELINES:
        raise RunError(f"pipeline: expected one of {', '.join(PIPELINES)}; found {name!r}")
    with replaced_file(path) as draft, warnings.catch_warnings(), callers_by_name(), yaml_by_libyaml():
        warnings.simplefilter("ignore")
        function = getattr(import_module(f"pipelines.{name}"), name)
        with compiled_with(settings or ClusterSettings()):
            pipeline = dsl.pipeline(function, name=f"heliograph-{name}")
        compiler.Compiler().compile(pipeline, str(draft))
    return path


def arguments(spec: Spec, services: dict[str, Any], data: str, specs: str) -> dict[str, Any]:
    """Write the spec to the folder or address ``specs``; return a pipeline's arguments by name.

    Raises OSError if nothing can be written there.
    """
    return {"spec": write_spec(spec, specs), "product": spec.name, "services": services, "data": data}
