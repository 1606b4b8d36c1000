"""A worker serves the deployed bundle only, whatever happens to its folder."""

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]

from benchmarks.faults.fault import Fault, expect
from benchmarks.faults.professional import awaited, world
from models.files import sha256_of_json
from models.graph.errors import GraphFormatError
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.errors import ArtifactError
from serving.__main__ import main
from serving.deployment.endpoint import Endpoint, down, up
from serving.errors import RegistryError
from serving.packages.contents import STATE, settings, write_contents
from serving.packages.errors import PackageError
from serving.server.loading import load
from serving.settings.settings import Settings
from serving.versions.registry import Registry

_REFUSED = (RegistryError, ArtifactError, GraphFormatError, PackageError)
_SIGNING, _VERIFY = "HELIOGRAPH_SIGNING_KEY", "HELIOGRAPH_VERIFY_KEY"


def only_what_was_put_up_is_served(folder: Path) -> str:
    """A killed worker finds its bundle changed; then every other change of a bundle, a model, a graph, a package."""
    made = world()
    endpoint = up(made.state, made.tracking_uri, made.name)
    try:
        chosen = Settings.read(Path(endpoint.stable.settings))
        _restarted(endpoint, Path(chosen.bundle), made.state / "endpoint" / f"version-{made.version}.log")
        harms = [*_BUNDLE_HARMS, _restated]
        for number, harm in enumerate(harms):
            bundle = folder / f"bundle-{number}"
            shutil.copytree(chosen.bundle, bundle)
            harm(bundle)
            _refused(partial(load, replace(chosen, bundle=str(bundle))), f"a bundle with {harm.__name__}")
    finally:
        down(made.state)
    for name, read in (("model", load_model), ("graph", TemporalGraph.load)):
        for number, harm in enumerate((_linked, _named("../x"), _named("/etc/passwd"), _named("a/../b"))):
            copied = folder / f"{name}-{number}"
            shutil.copytree(made.state.parent / name, copied)
            harm(copied)
            _refused(partial(read, copied), f"a {name} with {harm.__name__}")
    signed = _signed(folder)
    return f"refused: a restarted worker, {len(harms)} changes of a bundle, 8 of models and graphs; {signed}"


def _restarted(endpoint: Endpoint, bundle: Path, log: Path) -> None:
    """Kill the worker after a change of its spec: it must not come back until the spec is restored."""
    spec, worker = bundle / "spec.json", endpoint.stable
    whole, begin = spec.read_bytes(), log.stat().st_size
    spec.write_bytes(whole.replace(b'"factor": 0.5', b'"factor": 0.9'))
    expect(spec.read_bytes() != whole, "a discount in the spec to change", "none")
    (process,) = [one for one in psutil.process_iter(["cmdline"]) if worker.settings in (one.info["cmdline"] or [])]
    process.kill()

    def refused() -> bool:
        return b"error: " in log.read_bytes()[begin:]

    awaited(lambda: refused() or (_serves(endpoint) and not process.is_running()), "a refusal, or a worker")
    expect(not _serves(endpoint), "a changed spec to be refused after a kill", "that it is served")
    line = next(line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("error: "))
    expect("spec.json" in line, "the file in the error", line)
    spec.write_bytes(whole)
    awaited(lambda: _serves(endpoint), "the worker, once the spec is whole again")


def _serves(endpoint: Endpoint) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{endpoint.port}/v2/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _refused(read: Callable[[], Any], what: str) -> None:
    try:
        found = read()
    except _REFUSED:
        return
    getattr(found, "close", lambda: None)()
    expect(False, f"{what} to be refused", "that it is loaded")


def _flipped(name: str) -> Callable[[Path], None]:
    def flipped(bundle: Path) -> None:
        content = bytearray((bundle / name).read_bytes())
        content[len(content) // 2] ^= 1
        (bundle / name).write_bytes(content)

    flipped.__name__ = f"another {name}"
    return flipped


def _truncated(bundle: Path) -> None:
    content = (bundle / "popularity.parquet").read_bytes()
    (bundle / "popularity.parquet").write_bytes(content[:-9])


def _added(bundle: Path) -> None:
    (bundle / "more.json").write_bytes(b"{}")


def _removed(bundle: Path) -> None:
    (bundle / "MODEL_CARD.md").unlink()


def _renamed(bundle: Path) -> None:
    (bundle / "spec.json").rename(bundle / "Spec.json")


def _swapped(bundle: Path) -> None:
    one, two, between = bundle / "spec.json", bundle / "model.json", bundle.with_name("between")
    one.rename(between)
    two.rename(one)
    between.rename(two)


def _linked(folder: Path) -> None:
    """Replace the file by a link to the same content."""
    file = next(folder.glob("*.safetensors"))
    target = folder.with_name(f"{folder.name}-{file.name}")
    file.rename(target)
    file.symlink_to(target)


def _named(name: str) -> Callable[[Path], None]:
    """List a file outside of the folder in the manifest, with correct digests."""

    def named(folder: Path) -> None:
        path = folder / "manifest.json"
        document = json.loads(path.read_bytes())
        target = folder / name if name.startswith("..") else Path("/etc/passwd")
        if name.startswith(".."):
            target.write_bytes(b"x")
        (folder / "a").mkdir()
        (folder / "b").write_bytes(Path("/etc/passwd").read_bytes())
        document["files"][name] = sha256(target.read_bytes()).hexdigest()
        if "digest" in document:
            del document["digest"]
            document["digest"] = sha256_of_json(document)
        path.write_text(json.dumps(document), encoding="utf-8")

    named.__name__ = f"{name} in its manifest"
    return named


def _restated(bundle: Path) -> None:
    """Change the spec and update its digest in the folder."""
    spec, manifest = bundle / "spec.json", bundle / "bundle.json"
    spec.write_bytes(spec.read_bytes() + b"\n")
    document = json.loads(manifest.read_bytes())
    document["files"]["spec.json"] = sha256(spec.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(document), encoding="utf-8")


_PARTS = ("spec.json", "model.json", "model.safetensors", "calibration.json", "popularity.parquet", "MODEL_CARD.md")
_BUNDLE_HARMS = (*map(_flipped, (*_PARTS, "bundle.json")), _truncated, _added, _removed, _renamed, _swapped, _linked)


def _signed(folder: Path) -> str:
    """With a verify key, a forged bundle is refused even if the digests in settings and package match."""
    made, printed = world(), io.StringIO()
    registry = Registry(made.tracking_uri)
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        expect(main(["keys"]) == 0, "a pair of keys", "none")
    keys = dict(line.split("=", 1) for line in printed.getvalue().splitlines())
    name = "signed"
    with _environment(keys):
        version = registry.log_version(name, made.state.parent / "bundle")
    state = str(made.state)
    with _environment({_VERIFY: keys[_VERIFY], STATE: state}):
        package = folder / "package"
        package.mkdir()
        write_contents(package, registry, name, version)
        load(settings(package)).close()
        _refused(lambda: registry.download(made.name, made.version, folder / "unsigned"), "an unsigned version")
        _restated(package / "bundle")
        facts = json.loads((package / "package.json").read_bytes())
        facts["digest"] = sha256((package / "bundle" / "bundle.json").read_bytes()).hexdigest()
        (package / "package.json").write_text(json.dumps(facts), encoding="utf-8")
        _refused(lambda: load(settings(package)), "a package that was rebuilt without the key")
    return "with a key: an unsigned version, a rebuilt package"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    kept = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


FAULTS = (Fault(19, "a worker serves only the bundle that was deployed", only_what_was_put_up_is_served),)
