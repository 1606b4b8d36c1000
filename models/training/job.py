"""``Job``: a fit or a refit by the places of its inputs, so that another process can run it."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.fit import fit
from models.training.refit import refit
from models.training.train import Store

Log = Callable[[dict[str, float], int], None]


@dataclass(frozen=True)
class Job:
    """A fit of a stored graph; with ``judged`` a refit of that model."""

    graph: Path
    out: Path
    """The folder of the model artifact, which all processes see."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Of a fit; a refit has the judged model's configurations."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: str | None = None
    """Folder or address; None: ``checkpoint`` next to ``out``."""
    judged: Path | None = None
    until: int = 0
    """Of a refit: microseconds UTC (``models.training.refit``)."""

    def run(self, device: torch.device | str | None, log: Log | None, store: Store | None = None) -> dict[str, Any]:
        """Load the graph and train; returns the summary of ``fit`` or ``refit``, and raises what they raise.

        ``store`` as in ``fit``.
        """
        graph = TemporalGraph.load(self.graph)
        if self.judged is not None:
            return refit(graph, self.judged, self.until, self.out, device, log, self.checkpoint, store)
        return fit(graph, self.model, self.training, self.out, device, log, self.checkpoint, store)

    def text(self) -> str:
        """The job as JSON, for ``parse`` in another process."""
        places = {name: str(value) for name, value in vars(self).items() if isinstance(value, Path)}
        return json.dumps({**asdict(self), **places})

    @classmethod
    def parse(cls, text: str) -> "Job":
        """The job that ``text`` wrote."""
        found = json.loads(text)
        for name in ("graph", "out", "judged"):
            found[name] = None if found[name] is None else Path(found[name])
        return cls(**{**found, "model": ModelConfig(**found["model"]), "training": TrainingConfig(**found["training"])})
