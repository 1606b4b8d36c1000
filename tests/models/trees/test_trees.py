import json
from pathlib import Path

import numpy as np
import pytest

from models.calibration import Calibration
from models.files import sha256_of_file
from models.training.artifact import change_calibration, load_model
from models.training.errors import ArtifactError
from models.training.predict import predict
from tests.models.training.small import small_graph
from tests.models.trees.small import small_product


def sealed(folder: Path) -> None:
    """Give the manifest the digests of the changed files."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: sha256_of_file(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_an_artifact_keeps_its_trees_where_its_calibration_changes(tmp_path: Path) -> None:
    model, graph = small_product(tmp_path / "model"), small_graph()
    assert json.loads((tmp_path / "model" / "manifest.json").read_text())["format"] == 3
    change_calibration(tmp_path / "model", Calibration.none(model.tasks), recalibrated={})
    again = load_model(tmp_path / "model")
    assert again.trees == model.trees
    rows = graph.seeds.rows("test")
    np.testing.assert_array_equal(predict(again, graph, rows), predict(model, graph, rows, calibrated=False))


@pytest.mark.parametrize("name", ["trees.json", "trees_click.txt"])
def test_damaged_and_missing_trees_are_refused(tmp_path: Path, name: str) -> None:
    small_product(tmp_path / "model")
    file = tmp_path / "model" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name}: expected sha256"):
        load_model(tmp_path / "model")
    file.unlink()
    with pytest.raises(ArtifactError, match=f"{name}: expected a file that the manifest names; found none"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights": {"click": 1.5, "dwell": 0}}, "weights of 0 to 1"),
        ({"weights": {"click": 0.5}}, "the tasks in weights of the network"),
        ({"columns": ["a"]}, "the columns of the network"),
        ({"tasks": []}, "the tasks of the network"),
        ({"alone": 3}, "the trees of a model"),
    ],
)
def test_trees_of_another_network_are_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    small_product(tmp_path / "model")
    file = tmp_path / "model" / "trees.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    sealed(tmp_path / "model")
    with pytest.raises(ArtifactError, match=reason):
        load_model(tmp_path / "model")


def test_a_text_that_cannot_be_read_is_refused_with_the_artifact(tmp_path: Path) -> None:
    small_product(tmp_path / "model")
    (tmp_path / "model" / "trees_click.txt").write_text("tree\n")
    sealed(tmp_path / "model")
    with pytest.raises(ArtifactError, match="expected the text of a binary LightGBM model"):
        load_model(tmp_path / "model")
