"""A small graph, and a small model trained in a second."""

from functools import cache
from pathlib import Path

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
    return load_model(train(graph, MODEL, TRAINING, folder / "model", scope=Scope(epochs=1), device="cpu"))
