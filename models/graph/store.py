"""``TemporalGraph``: the whole graph in memory, and as a folder of safetensors files with a manifest.

The manifest holds the schema, counts and the SHA-256 of every file. Tensors are memory-mapped when loaded.
"""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.files import replaced_folder, sha256_of_file, sha256_of_json
from models.graph.errors import GraphFormatError
from models.graph.schema import GraphSchema
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds, moved, tensors_of

MANIFEST = "manifest.json"
FORMAT = 2
_AGAIN = "Build the graph again"
Group = TypeVar("Group")


@dataclass
class TemporalGraph:
    """A temporal graph: edges, node versions, activities and seeds, described by a schema."""

    schema: GraphSchema
    edges: dict[str, EdgeTensors]
    """By name of the edge type; every type has its reverse ``rev_<name>``."""
    nodes: dict[str, NodeTensors]
    seeds: Seeds
    node_keys: dict[str, pa.Array]
    """By node type: the keys in node order."""
    manifest: dict[str, Any] = field(default_factory=dict)
    """As stored: schema, counts, dropped rows, digests; empty for a graph that was never stored."""

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.seeds.time.device

    def keys(self, node: str) -> pa.Array:
        """The keys of that node type, in node order."""
        return self.node_keys[node]

    def find(self, node: str, keys: pa.Array) -> Tensor:
        """(len(keys),) int64: the index of each key; -1 where the graph does not hold it."""
        known = self.node_keys[node]
        found = compute.index_in(keys.cast(known.type), value_set=known).fill_null(-1)
        return torch.from_numpy(found.to_numpy(zero_copy_only=False).astype("int64")).to(self.device)

    def to(self, device: torch.device | str) -> "TemporalGraph":
        """The same graph with its tensors on that device."""
        return TemporalGraph(
            schema=self.schema,
            edges={name: moved(edge, device) for name, edge in self.edges.items()},
            nodes={name: moved(node, device) for name, node in self.nodes.items()},
            seeds=moved(self.seeds, device),
            node_keys=self.node_keys,
            manifest=self.manifest,
        )

    def counts(self) -> dict[str, Any]:
        """How much there is of everything."""
        return {
            "nodes": {node.name: node.count for node in self.schema.nodes},
            "versions": {name: len(node.version_time) for name, node in self.nodes.items()},
            "edges": {name: len(edge.time) for name, edge in self.edges.items()},
            "seeds": {window: len(self.seeds.rows(window)) for window in self.seeds.windows},
        }

    def save(self, folder: Path, extra: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the graph to ``folder``, as a whole or not at all; ``extra`` joins the manifest, which is returned."""
        with replaced_folder(folder) as fresh:
            for name, group in self._groups().items():
                tensors = {key: value.cpu().contiguous() for key, value in tensors_of(group).items()}
                save_file(tensors, fresh / f"{name}.safetensors")
            for name, keys in {**self._key_files(), "seeds_keys": self.seeds.keys}.items():
                parquet.write_table(pa.table({"key": keys}), fresh / f"{name}.parquet", compression="zstd")
            for path in fresh.iterdir():
                path.chmod(0o644)  # safetensors writes for its owner alone
            manifest = {
                "format": FORMAT,
                "schema": self.schema.to_json(),
                "counts": self.counts(),
                **(extra or {}),
                "files": {path.name: sha256_of_file(path) for path in sorted(fresh.iterdir())},
            }
            manifest["digest"] = sha256_of_json(manifest)
            (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return manifest

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str = "cpu") -> "TemporalGraph":
        """Read a stored graph; on the CPU its tensors are memory-mapped. Raises GraphFormatError."""
        folder = Path(folder)
        manifest = _verified_manifest(folder)
        schema = GraphSchema.from_json(manifest["schema"])

        def group(kind: type[Group], name: str, **others: Any) -> Group:
            return _read_group(kind, folder / f"{name}.safetensors", others)

        def keys(name: str) -> pa.Array:
            return parquet.read_table(folder / f"{name}.parquet")["key"].combine_chunks()

        graph = cls(
            schema=schema,
            edges={edge.name: group(EdgeTensors, f"edges_{edge.name}") for edge in schema.edges},
            nodes={node.name: group(NodeTensors, f"nodes_{node.name}") for node in schema.nodes},
            seeds=group(
                Seeds, "seeds", keys=keys("seeds_keys"), windows=tuple(window.name for window in schema.seeds.windows)
            ),
            node_keys={node.name: keys(f"keys_{node.name}") for node in schema.nodes},
            manifest=manifest,
        )
        if graph.counts() != manifest["counts"]:
            raise GraphFormatError(
                f"{folder}: expected the counts of its manifest, {manifest['counts']}; found {graph.counts()}. {_AGAIN}"
            )
        return graph if torch.device(device).type == "cpu" else graph.to(device)

    def _groups(self) -> dict[str, object]:
        return {
            **{f"edges_{name}": edge for name, edge in self.edges.items()},
            **{f"nodes_{name}": node for name, node in self.nodes.items()},
            "seeds": self.seeds,
        }

    def _key_files(self) -> dict[str, pa.Array]:
        return {f"keys_{name}": keys for name, keys in self.node_keys.items()}


def _verified_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after every file that it lists was found whole."""
    path = folder / MANIFEST
    if not path.is_file():
        raise GraphFormatError(f"{path}: expected the manifest of a stored graph; found no such file. {_AGAIN}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
        digest, files = manifest.pop("digest"), manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise GraphFormatError(f"{path}: expected a graph's manifest in JSON; found {error!r}. {_AGAIN}") from None
    if found != FORMAT:
        raise GraphFormatError(f"{path}: expected format {FORMAT}; found {found!r}. {_AGAIN}")
    if sha256_of_json(manifest) != digest:
        raise GraphFormatError(f"{path}: expected its own digest {digest[:12]}; found another content. {_AGAIN}")
    for name, expected in files.items():
        file = folder / name
        if not file.is_file():
            raise GraphFormatError(f"{file}: expected the file that the manifest lists; found none. {_AGAIN}")
        if (actual := sha256_of_file(file)) != expected:
            raise GraphFormatError(f"{file}: expected SHA-256 {expected[:12]}; found {actual[:12]}. {_AGAIN}")
    return {**manifest, "digest": digest}


def _read_group(kind: type[Group], path: Path, others: dict[str, Any]) -> Group:
    names = {column.name for column in fields(kind)} - set(others)  # type: ignore[arg-type]
    try:
        with safe_open(path, framework="pt") as file:  # maps the file, copies nothing
            found = set(file.keys())
            if found != names:
                raise GraphFormatError(f"{path}: expected tensors {sorted(names)}; found {sorted(found)}. {_AGAIN}")
            return kind(**{name: file.get_tensor(name) for name in file.keys()}, **others)  # noqa: SIM118
    except (SafetensorError, FileNotFoundError) as error:
        raise GraphFormatError(f"{path}: expected a safetensors file; found {error}. {_AGAIN}") from None
