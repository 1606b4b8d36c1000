"""The encoder's digest: what makes vectors is in it, calibration is not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.calibration import Calibration, Platt
from models.nn.model import Ranker
from models.sealed import SealError
from models.training.artifact import Model, save_model
from models.training.encoder import encoder_in, encoder_of
from tests.models.nn.batches import CONFIG, ready


@pytest.fixture(scope="module")
def model() -> Model:
    graph, _, ranker = ready(CONFIG)
    calibration = Calibration.none([task.name for task in graph.schema.seeds.tasks])
    return Model(ranker, ranker.encoding, graph.schema, calibration, {"epochs": 1})


def digest(model: Model, folder: Path) -> str:
    return encoder_in(save_model(model, folder / "model"))


def test_versions_that_differ_in_calibration_only_share_it(model: Model, tmp_path: Path) -> None:
    found = digest(model, tmp_path)
    tasks = [task.name for task in model.schema.seeds.tasks]
    other = replace(model, calibration=Calibration({task: Platt(1.5, 0.1) for task in tasks}))
    assert digest(other, tmp_path) == found
    assert digest(replace(model, training={"epochs": 2}), tmp_path) == found
    assert len(found) == 64


def test_other_weights_or_another_fan_out_have_another(model: Model, tmp_path: Path) -> None:
    found = digest(model, tmp_path)
    assert digest(replace(model, training={"epochs": 1, "limit": 2}), tmp_path) != found
    ranker = Ranker(model.ranker.config, model.schema, model.encoding)
    ranker.load_state_dict(model.ranker.state_dict())
    with torch.no_grad():
        next(ranker.parameters()).view(-1)[0] += 1.0
    assert digest(replace(model, ranker=ranker), tmp_path) != found


def test_the_files_in_memory_have_that_of_the_folder(model: Model, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path / "model")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert encoder_of(files) == encoder_in(folder)
    changed = json.loads(files["model.json"])
    changed["encoding"] = {}
    assert encoder_of({**files, "model.json": json.dumps(changed).encode()}) != encoder_in(folder)


def test_a_folder_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SealError):
        encoder_in(tmp_path)
