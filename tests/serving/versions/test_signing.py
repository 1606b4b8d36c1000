"""Signatures: made with a key of the environment, verified at every load."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from serving.__main__ import main
from serving.errors import RegistryError
from serving.server.loading import verified
from serving.settings.settings import Settings
from serving.versions.bundle import SIGNATURE, read_bundle
from serving.versions.registry import Registry
from serving.versions.signing import SIGNING_KEY, VERIFY_KEY, check_signature, new_keys, signature, verify_key
from tests.serving.world import World

SECRET, PUBLIC = new_keys()
_, ANOTHER = new_keys()


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_KEY, SECRET)


def settings(world: World, folder: Path, version: str, name: str = "signed") -> Settings:
    digest = read_bundle(folder).digest
    return Settings(name, version, str(folder), "", "", 0, 0, digest=digest, verify_key=PUBLIC)


@pytest.mark.usefixtures("signing")
def test_a_version_is_signed_where_it_is_registered_and_verified_where_it_is_loaded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(world.tracking_uri)
    version = registry.log_version("signed", world.state.parent / "bundle")
    monkeypatch.delenv(SIGNING_KEY)
    monkeypatch.setenv(VERIFY_KEY, PUBLIC)
    folder = registry.download("signed", version, tmp_path / "bundle")
    assert registry.download("signed", version, folder) == folder
    given = settings(world, folder, version)
    assert verified(given).digest == given.digest
    for wrong in (replace(given, version="99"), replace(given, name="other")):
        with pytest.raises(RegistryError, match="expected a signature of its name, number and digest"):
            verified(wrong)
    monkeypatch.setenv(VERIFY_KEY, ANOTHER)
    with pytest.raises(RegistryError, match="expected a signature of its name"):
        verified(given)
    with pytest.raises(RegistryError, match="expected a signature of its name"):
        registry.download("signed", version, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    monkeypatch.delenv(VERIFY_KEY)
    (folder / SIGNATURE).write_text("AAAA", encoding="utf-8")
    with pytest.raises(RegistryError, match="expected a signature of its name"):
        verified(given)  # with the key from the settings
    (folder / SIGNATURE).unlink()
    with pytest.raises(RegistryError, match=r"found none\. Sign it where"):
        verified(given)
    assert verified(replace(given, verify_key="")).digest == given.digest


@pytest.mark.usefixtures("signing")
def test_a_bundle_that_was_made_anew_with_right_digests_is_refused(world: World, tmp_path: Path) -> None:
    """An attacker who may write everything, settings included, still has no signing key."""
    registry = Registry(world.tracking_uri)
    name = "made-anew"
    folder = registry.download(name, registry.log_version(name, world.state.parent / "bundle"), tmp_path / "bundle")
    manifest = folder / "bundle.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(RegistryError, match="expected a signature of its name"):
        verified(settings(world, folder, "1", name))


def test_an_unsigned_version_is_signed_later(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(world.tracking_uri)
    version = registry.log_version("later", world.state.parent / "bundle")
    folder = registry.download("later", version, tmp_path / "bundle")
    command = ["sign", "--state", str(world.state), "--model", "later", "--version", version]
    assert main(command) == 1
    assert "HELIOGRAPH_SIGNING_KEY: expected the key to sign with" in capsys.readouterr().err
    monkeypatch.setenv(VERIFY_KEY, PUBLIC)
    with pytest.raises(RegistryError, match=r"found none\. Sign it where"):
        registry.download("later", version, folder)
    monkeypatch.setenv(SIGNING_KEY, SECRET)
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"signed: later version {version}, digest ")
    monkeypatch.delenv(SIGNING_KEY)
    assert read_bundle(registry.download("later", version, folder)).signature


@pytest.mark.parametrize(
    "bad",
    ["x", "AAAA", SECRET + "A", SECRET[:-4] + "\u00e9\u00e9\u00e9\u00e9"],
    ids=["x", "short", "long", "not ASCII"],
)
def test_a_key_that_is_none_is_named_and_not_repeated(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (SIGNING_KEY, VERIFY_KEY):
        monkeypatch.setenv(variable, bad)
        with pytest.raises(RegistryError, match=f"{variable}: expected 32 bytes in base64") as error:
            verify_key()
        assert bad not in str(error.value) or bad == "x"
        monkeypatch.delenv(variable)


def test_two_halves_of_different_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_KEY, SECRET)
    monkeypatch.setenv(VERIFY_KEY, ANOTHER)
    with pytest.raises(RegistryError, match="expected the other half"):
        signature("a", "1", "0" * 64)


def test_without_a_key_nothing_is_signed_nor_required() -> None:
    assert signature("a", "1", "0") is None
    assert verify_key() == ""
    check_signature("a", "1", "0", "", verify_key())


def test_the_command_prints_a_pair_that_works(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["keys"]) == 0
    for line in capsys.readouterr().out.splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    signed = signature("a", "1", "0")
    assert signed is not None
    check_signature("a", "1", "0", signed, verify_key())
    with pytest.raises(RegistryError):
        check_signature("a", "2", "0", signed, verify_key())


def test_a_worker_says_in_one_line_why_it_does_not_serve(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(world.state.parent / "bundle", folder)
    given = replace(settings(world, folder, "1"), verify_key="")
    (folder / "spec.json").write_text("{}", encoding="utf-8")
    given.write(tmp_path / "settings.json")
    command = [sys.executable, "-m", "serving.server.process", str(tmp_path / "settings.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "spec.json: expected sha256" in last
    assert "Traceback" not in done.stderr
