from pathlib import Path

import pytest

from models.spec import parse_spec
from models.training.artifact import load_model, save_model
from serving import bundle as module
from serving.bundle import read_spec, verify_bundle, write_bundle
from serving.errors import RegistryError
from tests.serving.world import TEXT, tiny_graph, tiny_model

SPEC = parse_spec(TEXT)
METRICS = {"test": {"click": {"auc": {"value": 0.71, "low": 0.7, "high": 0.72}}, "rows": 120}}
DATA = {"tables": "aa11", "graph": "bb22"}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tiny_model(tiny_graph(SPEC)), tmp_path_factory.mktemp("artifact") / "model")


def test_a_bundle_is_a_model_artifact_with_its_story(artifact: Path, tmp_path: Path) -> None:
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    assert verify_bundle(folder) == verify_bundle(write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "again"))
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


def test_every_changed_missing_or_foreign_file_is_noticed(artifact: Path, tmp_path: Path) -> None:
    folder = write_bundle(artifact, SPEC, METRICS, DATA, tmp_path / "bundle")
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        if path.name != module.MANIFEST:
            with pytest.raises(RegistryError, match="sha256"):
                verify_bundle(folder)
        path.unlink()
        with pytest.raises(RegistryError, match=path.name):
            verify_bundle(folder)
        path.write_bytes(whole)
    (folder / "more").write_text("", encoding="utf-8")
    with pytest.raises(RegistryError, match="more"):
        verify_bundle(folder)


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
        verify_bundle(tmp_path)
