"""``Encoding``: scales and vocabularies fitted on training data, used alike by training, batch scoring and serving.

A graph's vocabulary holds all values in the data; a model's holds those it was trained on. Every other value has code
0, like a missing one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.graph.schema import REVERSE, FeatureColumn, GraphSchema
from models.graph.store import TemporalGraph
from models.nn.errors import EncodingError
from models.nn.scaling import LIMIT, Scale, scale_numbers

Columns = Mapping[str, "np.ndarray | float | str | None"]
"""Raw features by name."""


@dataclass(frozen=True)
class FeatureEncoding:
    """Scales and vocabularies of the features of a node type, an edge type, or impressions."""

    numbers: tuple[Scale, ...]
    categories: tuple[str, ...]
    """Names, in the order of the schema."""
    vocabularies: tuple[tuple[str, ...], ...]
    """Per category: the value at position c has code c + 1."""
    vector_means: tuple[float, ...]
    """Per component of the concatenated vectors."""
    vector_deviations: tuple[float, ...]

    @classmethod
    def fit(
        cls, columns: Sequence[FeatureColumn], numbers: Tensor, categories: Tensor, vectors: Tensor
    ) -> "FeatureEncoding":
        """Fit on ``numbers`` (rows, n), NaN = missing, ``categories`` (rows, c) graph codes, ``vectors`` (rows, v)."""
        of_numbers = [column for column in columns if column.kind == "number"]
        of_categories = [column for column in columns if column.kind == "category"]
        rows = vectors.double()
        means = rows.sum(dim=0) / max(len(rows), 1)
        deviations = ((rows - means).square().sum(dim=0) / max(len(rows), 1)).sqrt()
        return cls(
            numbers=tuple(Scale.fit(column.name, numbers[:, place]) for place, column in enumerate(of_numbers)),
            categories=tuple(column.name for column in of_categories),
            vocabularies=tuple(
                tuple(column.vocabulary[code - 1] for code in torch.unique(categories[:, place]).tolist() if code > 0)
                for place, column in enumerate(of_categories)
            ),
            vector_means=tuple(means.tolist()),
            vector_deviations=tuple(torch.where(deviations > 1e-6, deviations, 1.0).tolist()),
        )

    @property
    def dense_width(self) -> int:
        """Columns of the scaled numbers: a value and a missing flag for each."""
        return 2 * len(self.numbers)

    def without_last(self, categories: int) -> "FeatureEncoding":
        """The same without its last categories."""
        kept = len(self.categories) - categories
        return replace(self, categories=self.categories[:kept], vocabularies=self.vocabularies[:kept])

    @cached_property
    def codes(self) -> list[dict[str, int]]:
        """Per category: the code of every value in the model's vocabulary."""
        return [{value: code for code, value in enumerate(values, start=1)} for values in self.vocabularies]

    def map_categories(self, columns: Sequence[FeatureColumn], codes: Tensor) -> Tensor:
        """(rows, c) int64 graph codes -> (rows, c) model codes; 0 for a value that the model does not know."""
        mapped = torch.zeros_like(codes)
        for place, known in enumerate(self.codes):
            column = next(column for column in columns if column.name == self.categories[place])
            table = torch.tensor([0, *(known.get(value, 0) for value in column.vocabulary)], device=codes.device)
            mapped[:, place] = table[codes[:, place]]
        return mapped

    def scale_vectors(self, vectors: Tensor) -> Tensor:
        """(rows, v) float32 -> (rows, v), each component scaled and clamped."""
        means, deviations = vectors.new_tensor(self.vector_means), vectors.new_tensor(self.vector_deviations)
        return ((vectors - means) / deviations).clamp(-LIMIT, LIMIT)

    def check(self, owner: str, columns: Sequence[FeatureColumn]) -> None:
        """Raise EncodingError unless the graph's columns are the model's, in the same order."""
        expected = [f"{scale.name} (number)" for scale in self.numbers]
        expected += [f"{name} (category)" for name in self.categories]
        found = [f"{c.name} ({c.kind})" for kind in ("number", "category") for c in columns if c.kind == kind]
        size = sum(column.size for column in columns if column.kind == "vector")
        if expected == found and size != len(self.vector_means):
            raise EncodingError(
                f"features of {owner}: expected vectors of {len(self.vector_means)} components, as the model was "
                f"trained on; found {size}: the spec gives them another size, or the model is of a release whose texts "
                "had one. Train a new version"
            )
        if expected != found:
            raise EncodingError(
                f"features of {owner}: expected {expected}, as the model was trained on; found {found}: build the "
                "graph from the model's spec, or train again"
            )

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "FeatureEncoding":
        """Back from JSON."""
        return cls(
            numbers=tuple(Scale(**scale) for scale in document["numbers"]),
            categories=tuple(document["categories"]),
            vocabularies=tuple(tuple(values) for values in document["vocabularies"]),
            vector_means=tuple(document["vector_means"]),
            vector_deviations=tuple(document["vector_deviations"]),
        )


@dataclass(frozen=True)
class Encoding:
    """All scales and vocabularies that turn raw features into the model's inputs."""

    nodes: dict[str, FeatureEncoding]
    edges: dict[str, FeatureEncoding]
    """Attributes by name of the edge type; a reverse edge type has the same."""
    impression: FeatureEncoding
    surfaces: tuple[str, ...]
    activity_edges: tuple[str, ...]

    @classmethod
    def fit(cls, graph: TemporalGraph, until: int) -> "Encoding":
        """Fit on node versions, edges and seeds (no cold twins) strictly before ``until`` (microseconds UTC)."""
        nodes = {}
        for node in graph.schema.nodes:
            rows = graph.nodes[node.name]
            seen = rows.version_time < until
            nodes[node.name] = FeatureEncoding.fit(
                node.features, rows.numbers[seen], rows.categories[seen], rows.vectors[seen]
            )
        edges = {}
        for edge in graph.schema.edges:
            if not edge.name.startswith(REVERSE):
                tensors = graph.edges[edge.name]
                numbers, categories = tensors.numbers, tensors.categories
                if edge.attributes:  # without attributes the rows, often very many, need no filter
                    seen = tensors.time < until
                    numbers, categories = numbers[seen], categories[seen]
                edges[edge.name] = FeatureEncoding.fit(edge.attributes, numbers, categories, numbers[:, :0])
        seeds, schema = graph.seeds, graph.schema.seeds
        shown = (seeds.time < until) & ~seeds.cold
        no_vectors = seeds.numbers.new_zeros(int(shown.sum()), 0)
        return cls(
            nodes=nodes,
            edges=edges,
            impression=FeatureEncoding.fit(schema.features, seeds.numbers[shown], seeds.categories[shown], no_vectors),
            surfaces=schema.surfaces,
            activity_edges=graph.schema.activity_edges,
        )

    def edge(self, name: str) -> FeatureEncoding | None:
        """The attributes of an edge type in either direction; None for a PageRank."""
        return self.edges.get(name.removeprefix(REVERSE))

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Encoding":
        """Back from JSON."""
        return cls(
            nodes={name: FeatureEncoding.from_json(node) for name, node in document["nodes"].items()},
            edges={name: FeatureEncoding.from_json(edge) for name, edge in document["edges"].items()},
            impression=FeatureEncoding.from_json(document["impression"]),
            surfaces=tuple(document["surfaces"]),
            activity_edges=tuple(document["activity_edges"]),
        )

    def encode_impressions(self, slates: Sequence[Columns], rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Encode the raw columns, by name, of S slates with up to ``rows`` impressions each.

        A column holds a value per impression, (rows of the slate,), or one, plain or (1,), for all of them; None, NaN
        or absent = missing. Returns numbers (S, rows, dense width) float32 and categories (S, rows, categories) int64.
        Raises EncodingError for a number that is not one.
        """
        encoding = self.impression
        numbers = np.full((len(slates), rows, len(encoding.numbers)), np.nan, np.float32)
        codes = np.zeros((len(slates), rows, len(encoding.categories)), np.int64)
        for place, given in enumerate(slates):
            for column, scale in enumerate(encoding.numbers):
                _fill(numbers[place, :, column], _numbers(scale.name, given.get(scale.name)))
            for column, name in enumerate(encoding.categories):
                _fill(codes[place, :, column], _codes(encoding.codes[column], given.get(name)))
        values = torch.from_numpy(numbers.reshape(len(slates) * rows, len(encoding.numbers)))
        scaled = scale_numbers(encoding.numbers, values).numpy()
        return scaled.reshape(len(slates), rows, encoding.dense_width), codes

    def surface_code(self, surface: str) -> int:
        """The position of a surface; -1 = unknown to the model."""
        return self.surfaces.index(surface) if surface in self.surfaces else -1


def check_schema(schema: GraphSchema, found: GraphSchema) -> None:
    """Raise EncodingError unless ``found`` has the node types, edge types and tasks of the model's ``schema``."""
    for thing, expected, there in (
        ("node types", [node.name for node in schema.nodes], [node.name for node in found.nodes]),
        ("edge types and the hops they are sampled at", _hops(schema), _hops(found)),
        ("tasks", [task.name for task in schema.seeds.tasks], [task.name for task in found.seeds.tasks]),
    ):
        if sorted(expected) != sorted(there):
            raise EncodingError(
                f"{thing} of the graph: expected {sorted(expected)}, as the model was trained on; found "
                f"{sorted(there)}: build the graph from the model's spec, or train again"
            )


def _hops(schema: GraphSchema) -> list[str]:
    return [f"{b.name} {[hop for hop, fan_out in enumerate(b.fan_out) if fan_out]}" for b in schema.branches]


def _fill(column: np.ndarray, values: np.ndarray) -> None:
    """Write ``values`` into a column (rows,): one for all rows, or one each for the first rows."""
    column[: len(values) if len(values) > 1 else None] = values


def _numbers(name: str, value: Any) -> np.ndarray:
    """(values,) float32."""
    try:
        return np.atleast_1d(np.asarray(np.nan if value is None else value, dtype=np.float32))
    except (TypeError, ValueError):
        raise EncodingError(f"feature {name}: expected a number or nothing; found {value!r}") from None


def _codes(codes: dict[str, int], value: Any) -> np.ndarray:
    """(values,) int64."""
    values = value.tolist() if isinstance(value, np.ndarray) else [value]
    return np.array([0 if each is None or each != each else codes.get(str(each), 0) for each in values], np.int64)
