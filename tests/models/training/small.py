"""A small graph, and a small model trained in a second."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.fakes import fake_graph
from models.graph.store import TemporalGraph
from models.training.artifact import Model, load_model
from models.training.train import Scope, train

MODEL = ModelConfig(width=8, graph_tokens=2, activities=5, layers=1, heads=2, head_width=16)
TRAINING = TrainingConfig(epochs=3, patience=3, batch_size=64, learning_rate=0.01)


@cache
def small_graph(seed: int = 0) -> TemporalGraph:
    """One graph of 20 members and 24 items per seed, shared by all tests: do not change it."""
    return fake_graph(members=20, items=24, seed=seed)


def small_model(folder: Path, graph: TemporalGraph) -> Model:
    """A model of one epoch; that of ``small_graph()`` is trained once, and each folder gets a copy of its artifact."""
    if graph is not small_graph():
        return load_model(_train(graph, folder / "model"))
    (folder / "model").mkdir(parents=True)
    for name, content in _artifact().items():
        (folder / "model" / name).write_bytes(content)
    return load_model(folder / "model")


@cache
def _artifact() -> dict[str, bytes]:
    """The files of that model."""
    with TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in _train(small_graph(), Path(folder) / "model").iterdir()}


def _train(graph: TemporalGraph, out: Path) -> Path:
    return train(graph, MODEL, TRAINING, out, scope=Scope(epochs=1), device="cpu")
