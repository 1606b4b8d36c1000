"""A row of a study: a name, and the recipe of a model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from benchmarks.studies.changes import Change
from benchmarks.studies.errors import StudyError
from benchmarks.studies.plain_trees import PLAIN
from models.configs.check import out_of_bounds
from models.configs.model import ModelConfig
from models.configs.training import TrainedState, TrainingConfig
from models.files import sha256_of_json
from models.training.__main__ import read
from models.training.batches import MemberState

Part = Literal["product", "network", "trees"]
FITS: dict[TrainedState, str] = {"mixed": "one fit", "as_of": "as-of fit", "frozen": "frozen fit"}
"""A row's name suffix by the member state of its training rows."""


@dataclass(frozen=True)
class Seen:
    """How a row is scored: the member state, the age of both sides' tokens, and which part of the product scores."""

    state: MemberState = "as_of"
    age: int = 0
    """Seconds."""
    part: Part = "product"
    """network, trees: that part of a model with ``trees``, alone."""

    @property
    def name(self) -> str:
        """The name used in prediction files and columns."""
        name = f"{self.state}+{self.age}s" if self.age else self.state
        return name if self.part == "product" else f"{self.part} {name}"


_NOT_TRAINED_IN_STEPS = ("popularity", "trees", PLAIN)
"""Baselines that read only seed and state of TrainingConfig: other keys do not change them."""
AS_OF, FROZEN = Seen("as_of"), Seen("frozen")
PARTS = tuple(Seen(state, part=part) for part in get_args(Part) for state in get_args(MemberState))
"""Product, network and trees, each in both states: how a row with ``trees`` is scored to say what each is worth."""


def states_of(part: Part) -> dict[str, str]:
    """The states of a line (``Line.of``) for one part of a row that was scored in PARTS."""
    return {seen.state: seen.name for seen in PARTS if seen.part == part}


def trained_as(text: str) -> dict[str, Any]:
    """Read a row's ``training`` from an option: JSON of TrainingConfig keys, or a file; "{}" = the study's."""
    if text == "{}":
        return {}
    return {name: value for name, value in asdict(read(text, TrainingConfig)).items() if name != "seed"}


@dataclass(frozen=True)
class Row:
    """One model: the differences from the study's configuration, or a baseline's name."""

    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ModelConfig."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Keys of TrainingConfig, without seed and state."""
    state: TrainedState | None = None
    """Member state of the training rows: both, or one; None = the study's."""
    baseline: str | None = None
    """A name of ``models.baselines``, or PLAIN; None = the ranker."""
    change: Change | None = None
    """Change of the graph before the model sees it."""
    seen: tuple[Seen, ...] = (AS_OF, FROZEN)
    """The states it is scored with."""

    def configs(self, model: ModelConfig, training: TrainingConfig, seed: int) -> tuple[ModelConfig, TrainingConfig]:
        """Merge this row's configuration into the study's. Raises StudyError for an unknown key."""
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
        """Everything besides the graph that determines the fit, as JSON. A baseline has no ModelConfig."""
        model, training = self.configs(model, training, seed)
        read = training.of_family("graph" if self.baseline else model.family)
        if self.baseline in _NOT_TRAINED_IN_STEPS:
            read = {name: read[name] for name in ("seed", "state")}
        return {
            "baseline": self.baseline,
            "model": None if self.baseline else model.own(),
            "training": read,
            "change": None if self.change is None else {"kind": type(self.change).__name__, **asdict(self.change)},
        }

    def digest(self, model: ModelConfig, training: TrainingConfig, seed: int, graph: str, window: str) -> str:
        """The name of the fit, scored on a window of the graph with that digest: 16 hex digits."""
        recipe = self.recipe(model, training, seed)
        return sha256_of_json({"recipe": recipe, "graph": graph, "window": window})[:16]
