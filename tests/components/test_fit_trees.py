"""The component that fits trees beside a network, or hands it through."""

from dataclasses import replace
from pathlib import Path

import pytest
from kfp import dsl

from components.fit_trees import fit_trees
from components.services import Services
from models.spec import Spec
from models.training.artifact import load_model
from tests.components.specs import artifact
from tests.mlflow_database import add_database
from tests.models.training.small import small_graph, small_model
from tests.models.trees.small import with_validation


@pytest.mark.parametrize("trees", [True, False])
def test_the_product_has_trees_where_the_spec_says_so(trees: bool, tiny_spec: Spec, tmp_path: Path) -> None:
    add_database(tmp_path / "state")
    graph = small_graph()
    graph.save(tmp_path / "graph")
    with_validation(small_model(tmp_path, graph), graph, tmp_path / "network")
    spec = tiny_spec.model_copy(update={"model": replace(tiny_spec.model, trees=trees)})
    network = dsl.Model(name="network", uri=str(tmp_path / "network"), metadata={"epochs": 3})
    model = dsl.Model(name="model", uri=str(tmp_path / "product"))
    fit_trees.python_func(
        spec=artifact(spec, tmp_path),
        services=Services.embedded("run-1", tmp_path / "state", Path("/feature_store.yaml")).to_json(),
        graph=dsl.Dataset(name="graph", uri=str(tmp_path / "graph")),
        network=network,
        model=model,
        metrics=dsl.Metrics(name="metrics", uri=str(tmp_path / "metrics")),
    )
    found = load_model(tmp_path / "product")
    assert (found.trees is not None, found.validation) == (trees, None)
    assert model.metadata["epochs"] == 3
