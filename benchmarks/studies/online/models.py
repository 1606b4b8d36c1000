"""The models of the arms: trained on the graph of a day, scoring the candidates of one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.studies.changes import validated_longer
from benchmarks.studies.online.arms import Kind
from benchmarks.studies.online.nightly import SCORED, Night
from benchmarks.studies.online.scoring import scores_with_vectors
from benchmarks.studies.online.stored_floor import read_floor, write_floor
from models.baselines.trees import fit_floor
from models.graph.store import TemporalGraph
from models.spec import Spec
from models.training.artifact import Model, load_model
from models.training.devices import best_device
from models.training.fit import fit

Scores = Callable[[int], np.ndarray]
"""The click probability of every candidate, in the order of ``Night.candidates``: (rows,), with vectors as of a time in
microseconds UTC."""


def at_home(graph: TemporalGraph, domain: str) -> TemporalGraph:
    """The graph without other domains' edges but the intrinsic ones, as with the spec's ``domains``."""
    kept = tuple(edge for edge in graph.schema.edges if edge.kind == "intrinsic" or edge.domain == domain)
    edges = {edge.name: graph.edges[edge.name] for edge in kept}
    activities = tuple(name for name in graph.schema.activity_edges if name in edges)
    manifest = {**graph.manifest, "digest": f"{graph.manifest['digest']}+{domain}"}
    return replace(
        graph, schema=replace(graph.schema, edges=kept, activity_edges=activities), edges=edges, manifest=manifest
    )


class Models:
    """The models of a run, by kind and day of training, in a folder; what is there is not trained again."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self._spec, self._folder = spec, folder

    def train(self, kind: Kind, day: int, night: Night) -> None:
        """Train on the windows of a night; the gate's day, which judges nothing here, validates the rankers too."""
        place = self._of(kind, day)
        if place.exists():
            return
        if kind == "floor":
            write_floor(fit_floor(night.training_set, self._spec), place)
        else:
            graph = validated_longer(self._seen(kind, night.graph))
            fit(graph, self._spec.model, self._spec.training, place, best_device())

    def scores(self, kind: Kind, day: int, night: Night) -> Scores:
        """What the model of a day's training says about a night's candidates."""
        if kind == "floor":
            floor = read_floor(self._spec, self._of(kind, day))
            frame = night.training_set.set_index(self._spec.impressions.key)
            rows = frame.loc[night.candidates["key"]]
            return lambda as_of: floor.predict(rows)[self._primary()]
        model = load_model(self._of(kind, day), best_device())
        return lambda as_of: self._ranked(model, self._seen(kind, night.graph), night, as_of)

    def _ranked(self, model: Model, graph: TemporalGraph, night: Night, as_of: int) -> np.ndarray:
        rows = graph.seeds.rows(SCORED)
        click = scores_with_vectors(model, graph, rows, as_of)[:, model.tasks.index(self._primary())]
        keys = graph.seeds.keys.take(rows.cpu().numpy()).to_numpy(zero_copy_only=False)
        places = np.argsort(keys)
        found: np.ndarray = click[places[np.searchsorted(keys, night.candidates["key"], sorter=places)]]
        return found

    def _seen(self, kind: Kind, graph: TemporalGraph) -> TemporalGraph:
        home = self._spec.home_domain
        return at_home(graph, home) if kind == "single" and home is not None else graph

    def _primary(self) -> str:
        return next(name for name, task in self._spec.tasks.items() if task.primary)

    def _of(self, kind: Kind, day: int) -> Path:
        return self._folder / f"{kind}-{day}"
