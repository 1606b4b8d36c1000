"""The spec of the pipelines' tests."""

import pytest

from models.spec import Spec


@pytest.fixture(scope="session")
def lenient_spec(tiny_spec: Spec) -> Spec:
    """The tiny spec with a gate that promotes every model, and as few bootstrap draws as the spec allows."""
    margins = dict.fromkeys(("margin", "floor_margin", "other_margin"), 0.45)
    bounds = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0], "bootstraps": 50}
    return tiny_spec.model_copy(update={"gate": tiny_spec.gate.model_copy(update={**margins, **bounds})})
