"""Storing: what is written is read back; what is damaged is refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.files import replaced_folder, sha256_of_file, sha256_of_json
from models.graph import store
from models.graph.errors import GraphFormatError
from models.graph.fakes import DAY, fake_graph
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake_graph(members=5, items=6).save(tmp_path / "graph")
    return tmp_path / "graph"


def test_a_file_that_is_replaced_while_it_is_loaded_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replaced_after_hashing(*hashed: object) -> object:
        path = folder / "seeds.safetensors"
        copy = path.with_suffix(".copy")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)
        return schema_of(*hashed)

    schema_of = store._schema
    monkeypatch.setattr(store, "_schema", replaced_after_hashing)
    with pytest.raises(GraphFormatError, match=r"seeds\.safetensors: .*found it changed"):
        TemporalGraph.load(folder)


def test_what_was_stored_is_loaded(folder: Path) -> None:
    graph, loaded = fake_graph(members=5, items=6), TemporalGraph.load(folder)
    assert loaded.schema == graph.schema
    pairs: list[tuple[object, object]] = [(graph.edges[name], loaded.edges[name]) for name in graph.edges]
    pairs += [(graph.nodes[name], loaded.nodes[name]) for name in graph.nodes]
    for one, two in [*pairs, (graph.seeds, loaded.seeds)]:
        others = tensors_of(two)
        for name, tensor in tensors_of(one).items():
            assert tensor.dtype == others[name].dtype
            assert torch.equal(tensor.nan_to_num(-7), others[name].nan_to_num(-7))
    assert loaded.seeds.keys.equals(graph.seeds.keys)
    assert all(loaded.keys(node).equals(graph.keys(node)) for node in ("member", "item", "creator"))


def test_storing_again_gives_the_same_digest_and_replaces(folder: Path) -> None:
    first = TemporalGraph.load(folder).manifest["digest"]
    assert fake_graph(members=5, items=6).save(folder)["digest"] == first
    assert fake_graph(members=5, items=6, seed=1).save(folder)["digest"] != first
    assert [path.name for path in folder.parent.iterdir()] == ["graph"]


def test_the_manifest_is_readable_and_a_graph_is_loaded_to_its_device(folder: Path) -> None:
    graph = TemporalGraph.load(folder, "meta")
    assert graph.device.type == graph.edges["clicked"].time.device.type == "meta"
    text = (folder / "manifest.json").read_text()
    assert text == json.dumps(graph.manifest, indent=1, sort_keys=True) + "\n"


def truncate(folder: Path) -> None:
    data = (folder / "edges_clicked.safetensors").read_bytes()
    (folder / "edges_clicked.safetensors").write_bytes(data[:-5])


def flip(folder: Path) -> None:
    data = bytearray((folder / "seeds.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "seeds.safetensors").write_bytes(data)


def lose(folder: Path) -> None:
    (folder / "keys_item.parquet").unlink()


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def cut_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[: len(text) // 2])


def edit_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"push"', '"pull"'))


def sign(folder: Path, manifest: dict) -> None:
    """A manifest whose digests are right, whatever it says."""
    manifest["files"] = {name: sha256_of_file(folder / name) for name in manifest["files"]}
    manifest["digest"] = sha256_of_json({key: value for key, value in manifest.items() if key != "digest"})
    (folder / "manifest.json").write_text(json.dumps(manifest))


def linked(folder: Path) -> None:
    """The same content, but elsewhere."""
    (folder / "seeds.safetensors").rename(folder.with_name("seeds"))
    (folder / "seeds.safetensors").symlink_to(folder.with_name("seeds"))


def named(name: str) -> Callable[[Path], None]:
    """A manifest that lists one more file, under that name."""

    def harm(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder.parent / "outside").write_bytes(b"")
        manifest["files"][name] = sha256_of_file(folder.parent / "outside")
        manifest["digest"] = sha256_of_json({key: value for key, value in manifest.items() if key != "digest"})
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return harm


def unlisted(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["seeds.safetensors"]
    sign(folder, manifest)


def other_format(folder: Path) -> None:
    sign(folder, {**json.loads((folder / "manifest.json").read_text()), "format": 99})


def other_tensors(folder: Path) -> None:
    save_file({"time": torch.zeros(3)}, folder / "edges_liked.safetensors")
    sign(folder, json.loads((folder / "manifest.json").read_text()))


def other_counts(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    sign(folder, {**manifest, "counts": {**manifest["counts"], "activities": 1}})


def without(entry: str) -> Callable[[Path], None]:
    """A manifest that lacks an entry."""

    def harm(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest[entry]
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return harm


def no_tensors(folder: Path) -> None:
    (folder / "edges_liked.safetensors").write_bytes(b"nothing")
    sign(folder, json.loads((folder / "manifest.json").read_text()))


def replaced(file: str, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    """One tensor of a file changed, and the manifest signed again: what a digest cannot find."""

    def harm(folder: Path) -> None:
        path = folder / f"{file}.safetensors"
        tensors = load_file(path)
        save_file({**tensors, name: change(tensors[name]).contiguous()}, path)
        sign(folder, json.loads((folder / "manifest.json").read_text()))

    return harm


def shifted(offsets: torch.Tensor) -> torch.Tensor:
    """A middle offset beyond the last one."""
    offsets[1] = offsets[-1] + 1
    return offsets


def fewer_keys(folder: Path) -> None:
    path = folder / "keys_item.parquet"
    parquet.write_table(parquet.read_table(path)[1:], path)
    sign(folder, json.loads((folder / "manifest.json").read_text()))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (truncate, r"edges_clicked.safetensors: expected SHA-256 [0-9a-f]{12}; found [0-9a-f]{12}\. Build"),
        (flip, "seeds.safetensors: expected SHA-256"),
        (lose, "keys_item.parquet: expected the file"),
        (lose_manifest, "no such file"),
        (linked, "seeds.safetensors: expected a plain file; found a symbolic link"),
        (named("../outside"), "expected names of files below its folder; found '../outside'"),
        (named("/etc/passwd"), "expected names of files below its folder"),
        (named("a//b"), "expected names of files below its folder"),
        (unlisted, "seeds.safetensors: expected it in the manifest's list of files"),
        (cut_manifest, "expected a graph's manifest in JSON"),
        (edit_manifest, "expected its own digest"),
        (other_format, "expected format 4; found 99"),
        (other_tensors, "edges_liked.safetensors: expected tensors"),
        (no_tensors, "edges_liked.safetensors: expected a safetensors file"),
        *((without(name), f"manifest in JSON; found no '{name}'") for name in ("format", "digest", "files")),
        (other_counts, "expected the counts of its manifest"),
        (fewer_keys, "keys of node 'item': expected length 6; found 5"),
        (replaced("edges_clicked", "offsets", lambda t: t[1:]), "edge 'clicked': expected offsets of shape"),
        (replaced("edges_clicked", "offsets", lambda t: t - 1), "edge 'clicked': expected the first and last offset"),
        (replaced("edges_clicked", "offsets", shifted), "edge 'clicked': expected ascending offsets"),
        (
            replaced("edges_clicked", "target", lambda t: t.masked_fill(t == t.max(), 6)),
            "targets from 0 to 5; found",
        ),
        (
            replaced("edges_clicked", "target", lambda t: t.masked_fill(t == t.min(), -1)),
            "targets from 0 to 5; found",
        ),
        (replaced("edges_clicked", "target", lambda t: t.long()), "edge 'clicked': expected target of type"),
        (replaced("edges_clicked", "target", lambda t: t[1:]), "edge 'clicked': expected target of shape"),
        (replaced("edges_clicked", "time", lambda t: t.flip(0)), "edge 'clicked': expected times that ascend"),
        (replaced("edges_clicked", "weight", lambda t: torch.ones(1)), "edge 'clicked': expected weight of shape"),
        (replaced("edges_clicked", "numbers", lambda t: t[:, :0]), "edge 'clicked': expected numbers of shape"),
        (replaced("edges_liked", "categories", lambda t: torch.zeros(len(t), 1).int()), "expected categories of shape"),
        (replaced("edges_clicked", "categories", lambda t: t.long()), "edge 'clicked': expected categories of type"),
        (replaced("edges_clicked", "categories", lambda t: t + 1), "codes of 'surface' from 0 to 2; found 1 to 3"),
        (replaced("nodes_member", "numbers", lambda t: t[:, :0]), "node 'member': expected numbers of shape"),
        (replaced("nodes_item", "id_hash", lambda t: t[1:]), "node 'item': expected id_hash of shape"),
        (replaced("seeds", "labels", lambda t: t[1:]), "seeds: expected labels of shape"),
        (replaced("seeds", "member", lambda t: t + 99), "seeds: expected member from -1 to 4; found"),
        (replaced("seeds", "time", lambda t: -t), "seeds: expected ascending times"),
        (replaced("seeds", "labels", lambda t: t + 1), "seeds: expected labels of 0 or 1, or NaN .* found 2.0 at seed"),
        (replaced("seeds", "labels", lambda t: t / 2), "seeds: expected labels of 0 or 1, .* found 0.5 at seed"),
        (replaced("seeds", "labels", lambda t: t * float("inf")), "seeds: expected labels of 0 or 1, .* found inf"),
        (replaced("seeds", "labels", lambda t: -t), "seeds: expected labels of 0 or 1, .* found -1.0 at seed"),
        (replaced("seeds", "frozen_time", lambda t: t + 99 * DAY), "seeds: expected frozen_time not after time"),
        (replaced("seeds", "settled", lambda t: t - 99 * DAY), "seeds: expected settled not before time; found"),
        (replaced("seeds", "settled", lambda t: t.fill_(2**62)), r"seeds: expected settled from .* found \d+ to 4611"),
        (replaced("seeds", "window", lambda t: t + 1), "seeds: expected window from 0 to 4; found 2 to 5"),
        (replaced("seeds", "window", lambda t: t.clamp(max=3)), "expected times within the seed's window; found"),
        (replaced("seeds", "numbers", lambda t: t / 0), "seeds, numbers: expected numbers that are finite, or NaN"),
        (replaced("seeds", "frozen_numbers", lambda t: t / 0), "seeds, frozen_numbers: expected numbers that are"),
        (replaced("seeds", "categories", lambda t: t + 9), "seeds: expected categories of 'device' from 0 to 2"),
        (replaced("seeds", "frozen_categories", lambda t: t - 9), "seeds: expected frozen_categories of 'device' from"),
        (replaced("nodes_member", "categories", lambda t: t + 9), "node 'member': expected codes of 'industry' from 0"),
        (replaced("nodes_member", "numbers", lambda t: t / 0), "node 'member': expected numbers that are finite"),
        (replaced("nodes_item", "vectors", lambda t: t * float("nan")), "node 'item': expected vectors of finite"),
        (replaced("nodes_item", "id_hash", lambda t: -t), "node 'item': expected id hashes of 0 or more"),
        (replaced("edges_clicked", "numbers", lambda t: t / 0), "edge 'clicked': expected numbers that are finite"),
        (replaced("edges_clicked", "weight", lambda t: -t), "edge 'clicked': expected weights that are finite and not"),
        (replaced("edges_clicked", "time", lambda t: t.fill_(-(2**63))), "edge 'clicked': expected times from -46116"),
    ],
)
def test_a_harmed_folder_is_refused(folder: Path, harm: Callable[[Path], None], message: str) -> None:
    harm(folder)
    with pytest.raises(GraphFormatError, match=message):
        TemporalGraph.load(folder)


def test_a_failed_or_killed_writer_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "graph"
    with replaced_folder(target) as fresh:
        (fresh / "one").write_text("old")
    with pytest.raises(RuntimeError), replaced_folder(target) as fresh:  # noqa: PT012
        (fresh / "one").write_text("new")
        raise RuntimeError
    assert (target / "one").read_text() == "old"
    target.rename(tmp_path / ".graph.previous")  # killed between the two renames
    (tmp_path / ".graph.fresh").mkdir()
    with pytest.raises(RuntimeError), replaced_folder(target):
        raise RuntimeError
    assert (target / "one").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]


def test_the_schema_travels_as_json() -> None:
    schema = fake_graph(members=2, items=2).schema
    assert GraphSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
