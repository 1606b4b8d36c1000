"""The pipelines by name, compiled."""

import os
import warnings
from pathlib import Path
from typing import Any

from components.specs import write_spec
from models.spec import Spec
from pipelines.errors import RunError

PIPELINES = ("training", "refresh", "monitoring", "comparison")
LOOKS_ONLY = ("monitoring", "comparison")
"""Pipelines that change nothing that is served: they have a feature store of their own."""


def compile_pipeline(name: str, path: Path) -> Path:
    """Compile a pipeline to YAML at ``path`` (written beside, then renamed)."""
    from importlib import import_module

    from kfp import compiler

    if name not in PIPELINES:
        raise RunError(f"pipeline: expected one of {', '.join(PIPELINES)}; found {name!r}")
    pipeline = getattr(import_module(f"pipelines.{name}"), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}.{path.stem}.yaml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiler.Compiler().compile(pipeline, str(partial))
    partial.replace(path)
    return path


def arguments(name: str, spec: Spec, services: dict[str, str], data: str, specs: str) -> dict[str, Any]:
    """The arguments that a pipeline takes; the specs themselves are written to the folder or address ``specs``.

    Raises OSError where nothing can be written there.
    """
    values = {"spec": write_spec(spec, specs), "product": spec.name, "services": services, "data": data}
    if name == "comparison":
        values["single_spec"] = write_spec(spec.model_copy(update={"domains": [spec.home_domain]}), specs)
    return values
