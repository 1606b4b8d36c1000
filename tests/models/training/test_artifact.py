import json
from pathlib import Path

import numpy as np
import pytest

from models.files import sha256_of_file
from models.training.artifact import load_model, save_model
from models.training.errors import ArtifactError
from models.training.predict import predict
from tests.models.training.small import small_graph, small_model


def test_a_saved_model_is_the_same_model(tmp_path: Path) -> None:
    graph = small_graph()
    model = small_model(tmp_path, graph)
    again = load_model(save_model(model, tmp_path / "again"))
    rows = graph.seeds.rows("test")
    np.testing.assert_array_equal(predict(again, graph, rows), predict(model, graph, rows))
    assert (again.encoding, again.schema, again.calibration) == (model.encoding, model.schema, model.calibration)
    assert again.tasks == ["click", "dwell"]
    for name in ("model.safetensors", "model.json", "calibration.json", "training.json", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "calibration.json", "training.json"])
def test_damage_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    small_model(tmp_path, small_graph())
    damaged = tmp_path / "model" / name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name}: expected sha256"):
        load_model(tmp_path / "model")
    damaged.unlink()
    with pytest.raises(ArtifactError, match=f"{name}: expected a file that the manifest names; found none"):
        load_model(tmp_path / "model")


def test_a_link_to_the_same_weights_is_refused(tmp_path: Path) -> None:
    small_model(tmp_path, small_graph())
    weights = tmp_path / "model" / "model.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="expected a plain file; found a symbolic link"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/passwd", "a/../b", "Model.json"])
def test_a_manifest_names_plain_files_alone(tmp_path: Path, name: str) -> None:
    small_model(tmp_path, small_graph())
    manifest = tmp_path / "model" / "manifest.json"
    document = json.loads(manifest.read_text())
    document["files"][name] = document["files"]["model.json"]
    manifest.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="expected names"):
        load_model(tmp_path / "model")


def test_a_folder_that_is_no_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"found no manifest\.json"):
        load_model(tmp_path)
    for content, reason in (("{", "damaged"), ("[]", "damaged"), (json.dumps({"format": 9, "files": {}}), "format 2")):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(ArtifactError, match=reason):
            load_model(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    small_model(tmp_path, small_graph())
    folder = tmp_path / "model"
    document = json.loads((folder / "model.json").read_text())
    document["config"]["width"] = 16
    (folder / "model.json").write_text(json.dumps(document))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.json"] = sha256_of_file(folder / "model.json")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"model\.safetensors: expected the weights of model\.json; found"):
        load_model(folder)


def test_a_file_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    small_model(tmp_path, small_graph())
    manifest = tmp_path / "model" / "manifest.json"
    document = json.loads(manifest.read_text())
    del document["files"]["calibration.json"]
    manifest.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"calibration\.json: expected a file that the manifest names; found none"):
        load_model(tmp_path / "model")
