"""Changes of a row's graph: keep one task, leave out features of the impressions, give a node type ID embeddings;
take another graph instead; make items cold (``cold_items``).

Every change is a dataclass that takes a graph and returns another one; impressions keep their keys, and nodes their
indices, unless it is another graph.
"""

from dataclasses import InitVar, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch

from benchmarks.studies.errors import StudyError
from benchmarks.studies.parts import keep_seeds, named
from models.graph.store import TemporalGraph
from models.training.refit import extended


class Change(Protocol):
    """A change of a graph: a dataclass whose fields become part of the fit's digest."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the changed graph."""


def validated_longer(graph: TemporalGraph) -> TemporalGraph:
    """Extend the validation window to the end of the gate window, which becomes empty.

    A product does not train on the gate's days, which judge its models. A study judges on the test window only and may
    validate, and finally train, on all days before it.
    """
    longer = extended(graph, graph.schema.window("gate").end)
    return replace(longer, manifest={**graph.manifest, "digest": f"{graph.manifest['digest']}+gate"})


@dataclass(frozen=True)
class Instead:
    """Another graph of some of the same impressions, validated on the same days."""

    folder: InitVar[Path]
    """Where it is; no part of the fit's digest."""
    digest: str

    def __post_init__(self, folder: Path) -> None:
        object.__setattr__(self, "_folder", folder)

    @classmethod
    def of(cls, folder: Path) -> "Instead":
        """The graph in that folder. Raises GraphError."""
        return cls(folder, str(TemporalGraph.load(folder).manifest["digest"]))

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the other graph."""
        found = TemporalGraph.load(self._folder)  # type: ignore[attr-defined]
        until = graph.schema.window("validate").end
        return extended(found, until) if found.schema.window("validate").end < until else found


@dataclass(frozen=True)
class OneTask:
    """Keep one task, which becomes the primary one."""

    task: str

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph with one label column."""
        names = [task.name for task in graph.schema.seeds.tasks]
        if self.task not in names:
            raise StudyError(f"task: expected one of {', '.join(names)}; found {self.task!r}")
        place = names.index(self.task)
        tasks = (replace(graph.schema.seeds.tasks[place], weight=1.0, primary=True),)
        schema = replace(graph.schema, seeds=replace(graph.schema.seeds, tasks=tasks))
        seeds = replace(graph.seeds, labels=graph.seeds.labels[:, place : place + 1].contiguous())
        return replace(graph, schema=schema, seeds=seeds)


@dataclass(frozen=True)
class WithoutFeatures:
    """Leave out the impressions' features whose names contain a pattern, as if the spec did not have them."""

    pattern: str

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph without their columns. Raises StudyError where there are none."""
        features, seeds = graph.schema.seeds.features, graph.seeds
        hidden = named(features, self.pattern)
        if not hidden:
            raise StudyError(f"features: expected names that contain {self.pattern!r}; found none")
        kept = {
            kind: torch.tensor([one.name not in hidden for one in features if one.kind == kind], dtype=torch.bool)
            for kind in ("number", "category")
        }
        seeds = replace(
            seeds,
            numbers=seeds.numbers[:, kept["number"]],
            frozen_numbers=seeds.frozen_numbers[:, kept["number"]],
            categories=seeds.categories[:, kept["category"]],
            frozen_categories=seeds.frozen_categories[:, kept["category"]],
        )
        left = tuple(one for one in features if one.name not in hidden)
        exposures = graph.schema.seeds.exposures
        described = replace(graph.schema.seeds, features=left, exposures=None if exposures in hidden else exposures)
        return replace(graph, schema=replace(graph.schema, seeds=described), seeds=seeds)


@dataclass(frozen=True)
class WithoutTwins:
    """Leave out the cold twins of impressions, as if ``training.cold_share`` were 0."""

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph with the impressions themselves."""
        return replace(graph, seeds=keep_seeds(graph.seeds, torch.nonzero(~graph.seeds.cold).flatten()))


@dataclass(frozen=True)
class WithoutMemberTwins:
    """Leave out the twins whose member is read as new, as if ``training.cold_member_share`` were 0."""

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph with the impressions and the twins of items."""
        new = graph.seeds.cold_member
        return graph if new is None else replace(graph, seeds=keep_seeds(graph.seeds, torch.nonzero(~new).flatten()))


@dataclass(frozen=True)
class WithIds:
    """Give a node type a hashed ID embedding, as with ``id_buckets`` in the spec."""

    node: str
    buckets: int

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """Return the graph whose schema has the buckets."""
        graph.schema.node(self.node)  # fail on an unknown node
        nodes = tuple(
            replace(node, id_buckets=self.buckets) if node.name == self.node else node for node in graph.schema.nodes
        )
        return replace(graph, schema=replace(graph.schema, nodes=nodes))
