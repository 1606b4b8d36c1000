"""``Trees``: the boosted trees that a model artifact carries beside its network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from models.calibration import Calibration
from models.trees.errors import TreesError
from models.trees.forest import Forest
from models.trees.text import Tree, read_trees

DOCUMENT = "trees.json"


def text_file(task: str) -> str:
    """The file with a task's trees, as LightGBM writes and reads them."""
    return f"trees_{task}.txt"


@dataclass(frozen=True)
class TaskTrees:
    """The trees of one task."""

    text: str
    """LightGBM's text model; "" where the rows to fit had one class only: ``constant`` is the logit of all rows."""
    constant: float = 0.0
    parameters: dict[str, float] = field(default_factory=dict)
    """Those that the search chose."""
    rounds: int = 0
    trials: list[dict[str, Any]] = field(default_factory=list)
    """Parameters, rounds and validation AUC of the search's trials, best first."""

    def read(self, columns: int) -> list[Tree]:
        """The trees of ``columns`` columns. Raises TreesError."""
        return read_trees(self.text, columns) if self.text else [Tree.leaf(self.constant)]


@dataclass(frozen=True)
class Trees:
    """Trees of all T tasks, and how they are combined with the network: by the weighted mean of both logits."""

    weights: dict[str, float]
    """Of the trees, by task: 0 = the network alone, 1 = the trees alone."""
    columns: tuple[str, ...]
    """Names of the columns they read (``TreeInputs.names``)."""
    tasks: dict[str, TaskTrees]
    """By task, in the order of the logits' columns."""
    alone: dict[str, Calibration]
    """The calibration of each part alone, ``network`` and ``trees``, for what each is worth."""

    @property
    def serve_alone(self) -> bool:
        """Whether the network has no say in any task."""
        return all(weight == 1 for weight in self.weights.values())

    @cached_property
    def forest(self) -> Forest:
        """The trees, ready to score. Raises TreesError for a text that is no model of these columns."""
        return Forest([task.read(len(self.columns)) for task in self.tasks.values()], len(self.columns))

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Logits (n, T) float64 of rows (n, columns) float32."""
        return self.forest.logits(values)

    def mean(self, network: np.ndarray, trees: np.ndarray) -> np.ndarray:
        """The product's logits (n, T) float32 of the logits (n, T) of its two parts."""
        weights = np.array([self.weights[task] for task in self.tasks])
        return ((1 - weights) * network.astype(np.float64) + weights * trees).astype(np.float32)

    def files(self) -> dict[str, bytes]:
        """The files of the artifact by name."""
        tasks = [{"task": name, **asdict(task), "text": bool(task.text)} for name, task in self.tasks.items()]
        document = {
            "weights": self.weights,
            "columns": self.columns,
            "tasks": tasks,
            "alone": {part: calibration.to_json() for part, calibration in self.alone.items()},
        }
        texts = {text_file(name): task.text.encode() for name, task in self.tasks.items() if task.text}
        return {DOCUMENT: (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode(), **texts}

    @classmethod
    def of_files(cls, files: Mapping[str, bytes], tasks: Sequence[str], columns: Sequence[str]) -> "Trees":
        """Back from the files of an artifact with these tasks and columns. Raises TreesError."""
        try:
            document = json.loads(files[DOCUMENT])
            found = cls(
                weights={task: float(weight) for task, weight in document["weights"].items()},
                columns=tuple(document["columns"]),
                tasks={entry["task"]: _task(entry, files) for entry in document["tasks"]},
                alone={part: Calibration.from_json(entry) for part, entry in document["alone"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TreesError(f"{DOCUMENT}: expected the trees of a model; found {error!r}: train it again") from None
        for thing, expected, there in (
            ("tasks", tasks, found.tasks),
            ("tasks in weights", sorted(tasks), sorted(found.weights)),
            ("columns", columns, found.columns),
        ):
            if list(expected) != list(there):
                raise TreesError(
                    f"{DOCUMENT}: expected the {thing} of the network, {list(expected)}; found {list(there)}: train it "
                    "again"
                )
        if not all(0 <= weight <= 1 for weight in found.weights.values()):
            raise TreesError(f"{DOCUMENT}: expected weights of 0 to 1; found {found.weights}: train it again")
        _ = found.forest  # a text that cannot be read fails here, not at the first request
        return found


def _task(entry: Mapping[str, Any], files: Mapping[str, bytes]) -> TaskTrees:
    given = {name: value for name, value in entry.items() if name not in ("task", "text")}
    return TaskTrees(text=files[text_file(entry["task"])].decode() if entry["text"] else "", **given)
