"""Contents of packages: nothing pickled, changes are detected, no archive without consent."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from serving.errors import EndpointError, RegistryError
from serving.packages.contents import STATE, settings
from serving.packages.errors import PackageError
from serving.packages.torchserve import WARNING
from serving.settings.limits import LIMITS, Limits
from tests.serving.packages.conftest import Made, package
from tests.serving.world import World

# Text, weights and columns: none of these formats can carry code that runs when they are read.
DATA = {".safetensors", ".json", ".parquet", ".md", ".yaml", ".yml", ".txt", ".html", ".css", ".js", ".svg", ".png"}
SOURCES = {".py", ".pyi", ".sql", ".typed"}
_UNPICKLES = re.compile(r"import (pickle|joblib)|(?<!safetensors\.)torch\.load\(")


@pytest.fixture(params=["bentoml", "torchserve"])
def contents(request: pytest.FixtureRequest, tmp_path: Path, world: World) -> Path:
    """A copy of a package's folder."""
    folder = tmp_path / "contents"
    if request.param == "bentoml":
        shutil.copytree(request.getfixturevalue("bento").folder / "src", folder)
    else:
        with ZipFile(request.getfixturevalue("archive").folder / f"{world.name}.mar") as archive:
            archive.extractall(folder)
    return folder


@pytest.fixture
def state_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state folder in the environment."""
    monkeypatch.setenv(STATE, str(world.state))


def test_a_package_has_no_pickle(contents: Path) -> None:
    # Where a server of another test has run from it, Python has compiled its modules.
    files = [path for path in contents.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    assert (contents / "bundle" / "bundle.json") in files
    assert {path.suffix for path in files} <= DATA | SOURCES
    for path in files:
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
            assert not _UNPICKLES.search(text), path


@pytest.mark.usefixtures("state_folder")
def test_a_package_has_the_registered_version(contents: Path, world: World) -> None:
    found = settings(contents)
    assert (found.name, found.version) == (world.name, world.version)
    assert (found.store_config, Path(found.bundle)) == (str(world.store_config.resolve()), contents / "bundle")


@pytest.mark.usefixtures("state_folder")
def test_limits_come_from_the_environment(contents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMITS, '{"items": 50}')
    assert settings(contents).limits == Limits(items=50)
    monkeypatch.setenv(LIMITS, '{"item": 50}')
    with pytest.raises(EndpointError, match="found 'item'"):
        settings(contents)


def _other_weights(contents: Path) -> None:
    weights = next((contents / "bundle").glob("*.safetensors"))
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def _one_more_file(contents: Path) -> None:
    (contents / "bundle" / "more.json").write_text("{}", encoding="utf-8")


def _other_manifest(contents: Path) -> None:
    """Every file has its digest, but the bundle's digest is another."""
    manifest = contents / "bundle" / "bundle.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def _no_facts(contents: Path) -> None:
    (contents / "package.json").write_text("[]", encoding="utf-8")


@pytest.mark.usefixtures("state_folder")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_other_weights, "expected sha256"),
        (_one_more_file, "found a difference in"),
        (_other_manifest, "expected digest"),
        (_no_facts, "expected what `python -m serving package` writes"),
    ],
)
def test_a_changed_package_is_refused(contents: Path, change: Callable[[Path], None], reason: str) -> None:
    change(contents)
    with pytest.raises(PackageError, match=reason):
        settings(contents)


def test_the_state_folder_is_required(contents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STATE, raising=False)
    with pytest.raises(PackageError, match="expected the state folder"):
        settings(contents)


def test_an_archive_needs_consent(world: World, tmp_path: Path) -> None:
    output = tmp_path / "export"
    with pytest.raises(PackageError, match="was archived by its maintainers"):
        package("torchserve", "--state", str(world.state), "--output", str(output))
    assert not output.exists()


def test_the_warning_is_written_and_tokens_are_required(archive: Made) -> None:
    assert WARNING in archive.output
    assert WARNING in (archive.folder / "WARNING.txt").read_text(encoding="utf-8")
    assert "disable_token_authorization=false\n" in (archive.folder / "config.properties").read_text(encoding="utf-8")
    assert "--disable-token-auth" not in archive.start


@pytest.mark.parametrize("kind", [["bentoml"], ["torchserve", "--accept-unmaintained"]])
def test_a_failure_leaves_no_partial_package(world: World, tmp_path: Path, kind: list[str]) -> None:
    where = ["--state", str(world.state), "--output"]
    with pytest.raises(RegistryError):
        package(*kind, *where, str(tmp_path / "unknown"), "--version", "99")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    with pytest.raises(PackageError, match="expected no such folder yet"):
        package(*kind, *where, str(tmp_path / "there"))
