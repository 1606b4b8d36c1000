"""Compiled pipelines as documents."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.catalogue import PIPELINES

Documents = Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
"""By name: the pipeline, and the platform document with what is Kubernetes' alone."""
COMPILE = """
import sys
from pathlib import Path

from kfp import components
from pipelines.catalogue import PIPELINES, compile_pipeline

for name in PIPELINES:
    path = compile_pipeline(name, Path(sys.argv[1], f"{name}.yaml"))
    print(components.load_component_from_file(str(path)).name)
"""
"""In a process of its own: KFP walks the stack at every task, which takes seconds where many modules are loaded."""


def compile_into(folder: Path) -> list[str]:
    """Compile every pipeline; return the names under which KFP loads them."""
    done = subprocess.run([sys.executable, "-c", COMPILE, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def read_documents(folder: Path) -> Documents:
    documents = {name: list(yaml.safe_load_all((folder / f"{name}.yaml").read_bytes())) for name in PIPELINES}
    return {name: (found[0], found[1]) for name, found in documents.items()}


def tasks(document: dict[str, Any]) -> dict[str, Any]:
    """Every task of a pipeline and of its parts, by name."""
    found: dict[str, Any] = {}
    for component in [{"dag": document["root"]["dag"]}, *document["components"].values()]:
        found |= component.get("dag", {}).get("tasks", {})
    return found


def steps(document: dict[str, Any]) -> dict[str, Any]:
    """The tasks that run one of our components."""
    others = ("condition", "exit-handler", "importer")
    return {name: task for name, task in tasks(document).items() if not name.startswith(others)}


def pod(platform: dict[str, Any], step: str) -> dict[str, Any]:
    """What the platform document says on a step's pod."""
    found: dict[str, Any] = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{step}"]
    return found
