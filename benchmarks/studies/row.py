"""A row of a study: a name, and the recipe of a model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.studies.changes import Change
from benchmarks.studies.errors import StudyError
from models.files import sha256_of_json
from models.nn.config import ModelConfig
from models.training.__main__ import read
from models.training.batches import State
from models.training.bounds import out_of_bounds
from models.training.config import TrainedState, TrainingConfig

FITS: dict[TrainedState, str] = {"mixed": "one fit", "as_of": "as-of fit", "frozen": "frozen fit"}
"""What a row is called by the state that its training rows see."""


@dataclass(frozen=True)
class Seen:
    """How a row is scored: the member's state, and how old the tokens of both sides are."""

    state: State = "as_of"
    age: int = 0
    """Seconds."""

    @property
    def name(self) -> str:
        """As predictions files and their columns call it."""
        return f"{self.state}+{self.age}s" if self.age else self.state


_NOT_TRAINED_IN_STEPS = ("popularity", "trees")
"""Baselines that read seed and state out of TrainingConfig and nothing else: learning rates do not change them."""
AS_OF, FROZEN = Seen("as_of"), Seen("frozen")


def trained_as(text: str) -> dict[str, Any]:
    """A row's ``training`` out of an option: a TrainingConfig as JSON, or a file of it; "{}" = as the study's."""
    if text == "{}":
        return {}
    return {name: value for name, value in asdict(read(text, TrainingConfig)).items() if name != "seed"}


@dataclass(frozen=True)
class Row:
    """One model: its configuration where it differs from the study's, or a baseline's name."""

    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ModelConfig."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Keys of TrainingConfig, without seed and state."""
    state: TrainedState | None = None
    """The state that training rows see: one fit for both states, or a fit for one; None = as the study's training."""
    baseline: str | None = None
    """A name of ``models.baselines``; None = the ranker."""
    change: Change | None = None
    """What is done to the graph before the model sees it."""
    seen: tuple[Seen, ...] = (AS_OF, FROZEN)
    """What it is scored with."""

    def configs(self, model: ModelConfig, training: TrainingConfig, seed: int) -> tuple[ModelConfig, TrainingConfig]:
        """This row's configuration, given the study's. Raises StudyError for a key that is none."""
        try:
            changed = replace(training, **self.training, seed=seed)
            own, changed = replace(model, **self.model), replace(changed, state=self.state) if self.state else changed
        except TypeError as error:
            expected = "keys of ModelConfig and TrainingConfig"
            raise StudyError(f"row {self.name!r}: expected {expected}; found {error}") from None
        for key, expected, found in out_of_bounds(own, changed):
            raise StudyError(f"row {self.name!r}, {key}: expected {expected}; found {found}")
        return own, changed

    def recipe(self, model: ModelConfig, training: TrainingConfig, seed: int) -> dict[str, Any]:
        """All that decides the fit beside the graph, as JSON. A baseline has no ModelConfig."""
        model, training = self.configs(model, training, seed)
        read = asdict(training)
        if self.baseline in _NOT_TRAINED_IN_STEPS:
            read = {name: read[name] for name in ("seed", "state")}
        return {
            "baseline": self.baseline,
            "model": None if self.baseline else asdict(model),
            "training": read,
            "change": None if self.change is None else {"kind": type(self.change).__name__, **asdict(self.change)},
        }

    def digest(self, model: ModelConfig, training: TrainingConfig, seed: int, graph: str, window: str) -> str:
        """The name of this very fit, scored on a window of a graph of that digest: 16 hex digits."""
        recipe = self.recipe(model, training, seed)
        return sha256_of_json({"recipe": recipe, "graph": graph, "window": window})[:16]
