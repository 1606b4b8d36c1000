import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from models.training.artifact import load_model, save_model
from serving.errors import RegistryError
from serving.ranking.scorer import Scorer
from serving.versions import bundle as module
from serving.versions.bundle import judged_model, read_bundle, read_spec, write_bundle
from serving.versions.prior import FILE
from tests.serving.world import tiny_graph, tiny_model, world_spec

SPEC = world_spec()
METRICS = {"test": {"click": {"auc": {"value": 0.71, "low": 0.7, "high": 0.72}}, "rows": 120}}
DATA = {"tables": "aa11", "graph": "bb22"}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tiny_model(tiny_graph(SPEC)), tmp_path_factory.mktemp("artifact") / "model")


def test_a_bundle_is_a_model_artifact_with_its_story(artifact: Path, tmp_path: Path) -> None:
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    assert (
        read_bundle(folder).digest
        == read_bundle(write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "again")).digest
    )
    assert read_spec(folder) == SPEC
    assert load_model(folder).tasks == ["click", "dwell"]
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    for line in (
        "| test.click.auc | 0.71 [0.7, 0.72] |",
        "| graph | bb22 |",
        "| epochs | 1 |",
        "## Intended use",
        "## Limits",
    ):
        assert line in card
    assert "| train | 2026-01-10T22:00:00Z | 2026-01-16T22:00:00Z |" in card


def test_a_profile_is_a_file_of_the_bundle_and_an_older_bundle_has_none(artifact: Path, tmp_path: Path) -> None:
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "with", profile={"b": 1, "a": [0.5]})
    assert read_bundle(folder).files[module.PROFILE] == b'{"a":[0.5],"b":1}'
    older = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "without")
    assert module.PROFILE not in read_bundle(older).files
    assert read_bundle(folder).digest != read_bundle(older).digest


def test_every_changed_missing_or_foreign_file_is_noticed(artifact: Path, tmp_path: Path) -> None:
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        if path.name != module.MANIFEST:
            with pytest.raises(RegistryError, match="sha256"):
                read_bundle(folder)
        path.unlink()
        with pytest.raises(RegistryError, match=path.name):
            read_bundle(folder)
        path.write_bytes(whole)
    (folder / "more").write_text("", encoding="utf-8")
    with pytest.raises(RegistryError, match="more"):
        read_bundle(folder)


def swap(folder: Path) -> None:
    one, two = folder / "spec.json", folder / "metrics.json"
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)


def rename(folder: Path) -> None:
    (folder / "spec.json").rename(folder / "Spec.json")


def linked(folder: Path) -> None:
    (folder / "spec.json").rename(folder.with_name("spec.json"))
    (folder / "spec.json").symlink_to(folder.with_name("spec.json"))


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "more")


def restated(folder: Path) -> None:
    """Make every digest in the folder match again."""
    (folder / "spec.json").write_text("{}", encoding="utf-8")
    manifest = folder / module.MANIFEST
    document = json.loads(manifest.read_bytes())
    document["files"]["spec.json"] = sha256(b"{}").hexdigest()
    manifest.write_text(json.dumps(document), encoding="utf-8")


def outside(folder: Path) -> None:
    manifest = folder / module.MANIFEST
    document = json.loads(manifest.read_bytes())
    document["files"]["../spec.json"] = document["files"].pop("spec.json")
    (folder / "spec.json").rename(folder.with_name("spec.json"))
    manifest.write_text(json.dumps(document), encoding="utf-8")


def twice(folder: Path) -> None:
    manifest = folder / module.MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"format"', b'"files": {}, "format"'))


@pytest.mark.parametrize("harm", [swap, rename, linked, pipe, restated, outside, twice])
def test_only_what_was_registered_is_read(artifact: Path, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    digest = read_bundle(folder).digest
    bundle = read_bundle(folder, digest)
    assert (bundle.spec, bundle.digest) == (SPEC, digest)
    assert set(bundle.files) == {path.name for path in folder.iterdir()} - {module.MANIFEST}
    harm(folder)
    with pytest.raises(RegistryError):
        read_bundle(folder, digest)
    if harm is not restated:  # that one is only found with the digest kept elsewhere
        with pytest.raises(RegistryError):
            read_bundle(folder)


@pytest.fixture(scope="module")
def refitted(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with other weights, trained two days longer."""
    model = load_model(artifact)
    with torch.no_grad():
        for weight in model.ranker.parameters():
            weight.add_(0.01)
    training = {"from": "2026-01-10", "until": "2026-01-20", "epochs": 1}
    return save_model(replace(model, training=training), tmp_path_factory.mktemp("refit") / "model")


def weight(folder: Path) -> torch.Tensor:
    return next(load_model(folder).ranker.parameters())


def test_a_refit_serves_and_the_judged_weights_are_kept(artifact: Path, refitted: Path, tmp_path: Path) -> None:
    judged = save_model(replace(load_model(artifact), training={"until": "2026-01-18"}), tmp_path / "judged")
    folder = write_bundle(refitted, SPEC, METRICS, DATA, tmp_path / "bundle", judged=judged)
    files = read_bundle(folder, read_bundle(folder).digest).files
    kept = {name.removeprefix("judged/"): content for name, content in files.items() if name.startswith("judged/")}
    assert kept == {path.name: path.read_bytes() for path in judged.iterdir()}
    assert set(kept) == {"model.safetensors", "model.json", "calibration.json", "training.json", "manifest.json"}
    assert torch.equal(weight(folder), weight(refitted))
    assert torch.equal(weight(judged_model(folder)), weight(judged))
    assert not torch.equal(weight(folder), weight(judged))
    scorer = Scorer(folder, files)
    assert torch.equal(next(scorer.ranker.parameters()), weight(refitted))
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "trained on the impressions from 2026-01-10 to 2026-01-20. They are a refit." in card
    assert "judged weights trained until 2026-01-18, which are kept in `judged/`" in card


def test_without_a_refit_the_judged_weights_are_those_that_serve(artifact: Path, tmp_path: Path) -> None:
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    assert judged_model(folder) == folder
    assert not (folder / "judged").exists()
    assert "refit" not in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_changed_judged_weights_are_noticed(harm: str, artifact: Path, refitted: Path, tmp_path: Path) -> None:
    folder = write_bundle(refitted, SPEC, METRICS, DATA, tmp_path / "bundle", judged=artifact)
    path = folder / "judged" / "model.safetensors"
    if harm == "change":
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    elif harm == "remove":
        path.unlink()
    else:
        (folder / "judged" / "more").write_text("", encoding="utf-8")
    with pytest.raises(RegistryError, match="judged/"):
        read_bundle(folder)


def test_judged_weights_that_are_no_model_are_refused(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"none: expected a model artifact; found no manifest\.json"):
        write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle", judged=tmp_path / "none")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [FILE, "metrics.json"])
def test_a_bundle_of_the_first_release_is_read_and_does_not_serve(name: str, artifact: Path, tmp_path: Path) -> None:
    """It has no prior; a gate reads it, since it may be the champion's. All others have the same files."""
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    (folder / name).unlink()
    document = json.loads((folder / module.MANIFEST).read_bytes())
    del document["files"][name]
    (folder / module.MANIFEST).write_text(json.dumps(document), encoding="utf-8")
    if name == FILE:
        assert read_bundle(folder).spec == SPEC
    with pytest.raises(RegistryError, match=rf"expected the file {name}; found none"):
        _ = read_bundle(folder).prior


def test_a_link_in_a_model_does_not_get_into_a_bundle(artifact: Path, tmp_path: Path) -> None:
    shutil.copytree(artifact, tmp_path / "model")
    (tmp_path / "model" / "more.json").symlink_to("/etc/passwd")
    with pytest.raises(RegistryError, match="found a symbolic link"):
        write_bundle(tmp_path / "model", SPEC, METRICS, DATA, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_write_leaves_nothing(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "model_card", fail)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_not_written_over_nor_made_of_nothing(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"manifest\.json"):
        write_bundle(tmp_path, SPEC, METRICS, DATA, tmp_path / "bundle")
    write_bundle(artifact, SPEC, {}, {}, tmp_path / "bundle")
    with pytest.raises(RegistryError, match="no such folder"):
        write_bundle(artifact, SPEC, {}, {}, tmp_path / "bundle")
    with pytest.raises(RegistryError, match=module.MANIFEST):
        read_bundle(tmp_path)
