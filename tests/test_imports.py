"""Heavy libraries are imported where they are used. `tests/house.py` holds the direction of our own imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("models", "feature_repo", "serving", "monitoring", "components", "pipelines")
HEAVY_AT_TOP = (
    ROOT / "feature_repo" / "stores",
    ROOT / "serving" / "server" / "kserve",
    ROOT / "models" / "nn" / "ppr_attention.py",
)
"""Imported late: Feast loads the stores by name, the server process imports the second when it starts, and nothing of
ours imports the layer for PyG."""
HEAVY = {"feast", "evidently", "mlflow", "kserve", "lightgbm", "matplotlib", "torch_geometric", "pyspark"}
ON_A_GPU_IMAGE = {"torch", "triton", "torch_geometric", "numpy", "pyarrow", "safetensors", "tqdm", "models"}


def imports(path: Path, top_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_heavy_libraries_are_imported_where_used(package: str) -> None:
    assert files(package)
    for path in files(package):
        if any(path.is_relative_to(folder) for folder in HEAVY_AT_TOP):
            continue
        heavy = imports(path, top_level=True) & HEAVY
        assert not heavy, f"{path.relative_to(ROOT)} imports {sorted(heavy)} at import time"


@pytest.mark.parametrize("folder", ["models/nn", "models/training", "models/semantic"])
def test_the_model_needs_only_what_a_gpu_image_holds(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        foreign = imports(path) - ON_A_GPU_IMAGE - set(sys.stdlib_module_names)
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_training_reaches_no_spec_and_no_duckdb() -> None:
    code = "import models.training.fit, models.graph.sample, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "duckdb", "pyspark", "sqlglot", "feast", "kfp", "lightgbm", "pandas"} & set(loaded)


def test_a_predictor_starts_without_what_it_does_not_need() -> None:
    code = "import serving.deployment.container, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"kfp", "evidently", "kubernetes", "pyspark", "torch_geometric", "lightgbm", "duckdb"} & set(loaded)
