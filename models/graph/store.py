"""``TemporalGraph``: a graph in memory, and as a folder of safetensors files with a manifest.

The manifest holds the schema, counts and the SHA-256 of every file. Loaded tensors are memory-mapped.
"""

import json
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.files import replaced_folder, sha256_of_file, sha256_of_json
from models.graph.check import check
from models.graph.errors import GraphFormatError
from models.graph.schema import GraphSchema
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds, moved, tensors_of
from models.graph.writer import write_tensors
from models.sealed import Identity, SealError, check_same, hash_plain, json_object, read_plain, stated_files

MANIFEST = "manifest.json"
FORMAT = 4
_AGAIN = "Build the graph again"
Group = TypeVar("Group")


@dataclass
class TemporalGraph:
    """A temporal graph: edges, node versions and seeds, described by a schema."""

    schema: GraphSchema
    edges: dict[str, EdgeTensors]
    """By name of the edge type; every type has its reverse ``rev_<name>``."""
    nodes: dict[str, NodeTensors]
    seeds: Seeds
    node_keys: dict[str, pa.Array]
    """By node type: the keys in node order."""
    manifest: dict[str, Any] = field(default_factory=dict)
    """The stored manifest: schema, counts, dropped rows, digests; empty for a graph that was never stored."""

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.seeds.time.device

    def keys(self, node: str) -> pa.Array:
        """The keys of that node type, in node order."""
        return self.node_keys[node]

    def find(self, node: str, keys: pa.Array) -> Tensor:
        """The index of each of K keys, (K,) int64; -1 for keys that are not in the graph."""
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
        """The numbers of nodes, versions and edges by type, and of seeds by window."""
        return {
            "nodes": {node.name: node.count for node in self.schema.nodes},
            "versions": {name: len(node.version_time) for name, node in self.nodes.items()},
            "edges": {name: len(edge.time) for name, edge in self.edges.items()},
            "seeds": {window: len(self.seeds.rows(window)) for window in self.seeds.windows},
        }

    def save(self, folder: Path, extra: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the graph to ``folder`` atomically; return its manifest, with ``extra`` in it."""
        with replaced_folder(folder) as fresh:
            for name, edge in self.edges.items():
                write_tensors(edge_file(fresh, name), tensors_of(edge))
            for name, node in self.nodes.items():
                write_tensors(node_file(fresh, name), tensors_of(node))
                write_keys(keys_file(fresh, name), self.node_keys[name])
            write_seeds(fresh, self.seeds)
            return seal(fresh, self.schema, self.counts(), extra or {})

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str = "cpu") -> "TemporalGraph":
        """Read a stored graph; on the CPU its tensors are memory-mapped. Raises GraphFormatError.

        Every file is hashed first and compared again after it was opened: a file that was replaced or written to in
        between is refused. Later writes to a mapped file are not noticed.
        """
        folder = Path(folder)
        manifest, hashed = _verified_manifest(folder)
        schema = _schema(folder, manifest)
        _check_stated(folder, schema, hashed)

        def keys(path: Path) -> pa.Array:
            return parquet.read_table(path)["key"].combine_chunks()

        graph = cls(
            schema=schema,
            edges={edge.name: _read_group(EdgeTensors, edge_file(folder, edge.name), {}) for edge in schema.edges},
            nodes={node.name: _read_group(NodeTensors, node_file(folder, node.name), {}) for node in schema.nodes},
            seeds=_read_group(
                Seeds,
                folder / "seeds.safetensors",
                {
                    "keys": keys(folder / "seeds_keys.parquet"),
                    "windows": tuple(one.name for one in schema.seeds.windows),
                },
            ),
            node_keys={node.name: keys(keys_file(folder, node.name)) for node in schema.nodes},
            manifest=manifest,
        )
        try:
            check_same(folder, hashed)
            check(graph.schema, graph.nodes, graph.edges, graph.seeds, graph.node_keys)
        except SealError as error:
            raise GraphFormatError(f"{error}. {_AGAIN}") from None
        except GraphFormatError as error:
            raise GraphFormatError(f"{folder}: {error}. {_AGAIN}") from None
        if graph.counts() != manifest["counts"]:
            raise GraphFormatError(
                f"{folder}: expected the counts of its manifest, {manifest['counts']}; found {graph.counts()}. {_AGAIN}"
            )
        return graph if torch.device(device).type == "cpu" else graph.to(device)


def edge_file(folder: Path, edge: str) -> Path:
    """The path of an edge type's tensors."""
    return folder / f"edges_{edge}.safetensors"


def node_file(folder: Path, node: str) -> Path:
    """The path of a node type's tensors."""
    return folder / f"nodes_{node}.safetensors"


def keys_file(folder: Path, node: str) -> Path:
    """The path of a node type's keys."""
    return folder / f"keys_{node}.parquet"


def write_keys(path: Path, keys: pa.Array) -> None:
    """Write keys in their order to a Parquet file."""
    parquet.write_table(pa.table({"key": keys}), path, compression="zstd")


def write_seeds(folder: Path, seeds: Seeds) -> None:
    """Write the seeds and their keys."""
    write_tensors(folder / "seeds.safetensors", tensors_of(seeds))
    write_keys(folder / "seeds_keys.parquet", seeds.keys)


def seal(folder: Path, schema: GraphSchema, counts: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Write and return the manifest of all files in the folder; its ``digest`` covers everything else in it."""
    manifest = {
        "format": FORMAT,
        "schema": schema.to_json(),
        "counts": counts,
        **extra,
        "files": {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())},
    }
    manifest["digest"] = sha256_of_json(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return manifest


def _verified_manifest(folder: Path) -> tuple[dict[str, Any], dict[str, Identity]]:
    """The manifest and the identities of its files, after the SHA-256 of each was verified."""
    path = folder / MANIFEST
    if not path.is_file():
        raise GraphFormatError(f"{path}: expected the manifest of a stored graph; found no such file. {_AGAIN}")
    hashed = {}
    try:
        manifest = _manifest(read_plain(folder, MANIFEST), path)
        found, digest = manifest["format"], manifest.pop("digest")
        if found != FORMAT:
            raise GraphFormatError(f"{path}: expected format {FORMAT}; found {found!r}. {_AGAIN}")
        if sha256_of_json(manifest) != digest:
            raise GraphFormatError(f"{path}: expected its own digest {digest!s:.12}; found another content. {_AGAIN}")
        for name, expected in stated_files(manifest, path).items():
            actual, hashed[name] = hash_plain(folder, name)
            if actual != expected:
                file = folder / name
                raise GraphFormatError(f"{file}: expected SHA-256 {expected[:12]}; found {actual[:12]}. {_AGAIN}")
    except SealError as error:
        raise GraphFormatError(f"{error}. {_AGAIN}") from None
    return {**manifest, "digest": digest}, hashed


def _manifest(raw: bytes, path: Path) -> dict[str, Any]:
    """Parse a graph's manifest."""
    try:
        manifest = json_object(raw, path)
    except SealError as error:
        raise GraphFormatError(f"{path}: expected a graph's manifest in JSON; found: {error}. {_AGAIN}") from None
    for entry in ("format", "digest", "files"):
        if entry not in manifest:
            raise GraphFormatError(f"{path}: expected a graph's manifest in JSON; found no {entry!r}. {_AGAIN}")
    return manifest


def _check_stated(folder: Path, schema: GraphSchema, hashed: dict[str, Identity]) -> None:
    """Raise GraphFormatError if the manifest does not list a file that is about to be read."""
    edges = [edge_file(folder, edge.name) for edge in schema.edges]
    nodes = [file(folder, node.name) for node in schema.nodes for file in (node_file, keys_file)]
    for path in (*edges, *nodes, folder / "seeds.safetensors", folder / "seeds_keys.parquet"):
        if path.relative_to(folder).as_posix() not in hashed:
            raise GraphFormatError(f"{path}: expected it in the manifest's list of files; found it missing. {_AGAIN}")


def _schema(folder: Path, manifest: dict[str, Any]) -> GraphSchema:
    try:
        return GraphSchema.from_json(manifest["schema"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GraphFormatError(f"{folder}: expected the schema of a graph; found {error!r}. {_AGAIN}") from None


def _read_group(kind: type[Group], path: Path, others: dict[str, Any]) -> Group:
    columns = {column.name: column.default for column in fields(kind) if column.name not in others}  # type: ignore[arg-type]
    names = {name for name, default in columns.items() if default is MISSING}
    try:
        with safe_open(path, framework="pt") as file:  # maps the file without copying
            found = set(file.keys())
            if not names <= found <= columns.keys():
                raise GraphFormatError(f"{path}: expected tensors {sorted(names)}; found {sorted(found)}. {_AGAIN}")
            return kind(**{name: file.get_tensor(name) for name in file.keys()}, **others)  # noqa: SIM118
    except (SafetensorError, FileNotFoundError) as error:
        raise GraphFormatError(f"{path}: expected a safetensors file; found {error}. {_AGAIN}") from None
