"""The floor's trees as a file: LightGBM's text models and the vocabularies, JSON."""

import json
from pathlib import Path

from models.baselines.trees import Floor
from models.files import write_text
from models.spec import Spec


def write_floor(floor: Floor, path: Path) -> None:
    """Write the trees up to each model's best iteration, atomically."""
    models = {
        task: model if isinstance(model, float) else model.model_to_string(num_iteration=model.best_iteration)
        for task, model in floor.models.items()
    }
    write_text(path, json.dumps({"vocabularies": floor.vocabularies, "models": models}))


def read_floor(spec: Spec, path: Path) -> Floor:
    """The floor of a file that ``write_floor`` wrote."""
    import lightgbm

    found = json.loads(path.read_text(encoding="utf-8"))
    models = {
        task: model if isinstance(model, float) else lightgbm.Booster(model_str=model)
        for task, model in found["models"].items()
    }
    return Floor(spec, {name: tuple(values) for name, values in found["vocabularies"].items()}, models)
