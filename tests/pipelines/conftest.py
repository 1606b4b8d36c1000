"""The spec and the compiled documents of the pipelines' tests."""

from pathlib import Path

import pytest

from models.spec import Spec
from tests.pipelines.documents import Documents, compile_into, read_documents


@pytest.fixture(scope="session")
def lenient_spec(tiny_spec: Spec) -> Spec:
    """The tiny spec with a gate that promotes every model, and as few bootstrap draws as the spec allows."""
    margins = dict.fromkeys(("margin", "floor_margin", "other_margin"), 0.45)
    bounds = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0], "bootstraps": 50}
    return tiny_spec.model_copy(update={"gate": tiny_spec.gate.model_copy(update={**margins, **bounds})})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``names`` compiles the pipelines."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def names(folder: Path) -> list[str]:
    """The names under which KFP loads the compiled pipelines of ``folder``."""
    return compile_into(folder)


@pytest.fixture(scope="session")
def compiled(folder: Path, names: list[str]) -> Documents:
    """The pipeline and the platform document by name."""
    return read_documents(folder)
