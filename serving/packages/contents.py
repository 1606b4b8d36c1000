"""Contents of every package: our code, the verified bundle, and ``package.json`` with name, version and digest.

A package is independent of the machine: HELIOGRAPH_STATE names the folder of the store and the served log when it is
started, HELIOGRAPH_LIMITS limits other than the defaults.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from serving.errors import RegistryError
from serving.packages.errors import PackageError
from serving.settings.limits import limits_of
from serving.settings.settings import Settings
from serving.versions.bundle import read_bundle
from serving.versions.registry import Registry

STATE = "HELIOGRAPH_STATE"
_BUNDLE, _FACTS = "bundle", "package.json"
_CODE = ("serving", "models", "feature_repo")


@dataclass(frozen=True)
class Facts:
    """The version in a package."""

    name: str
    """Model name, as in the endpoint's addresses."""
    version: str
    digest: str
    """The bundle's (``serving.versions.bundle.Bundle``)."""


def write_contents(folder: Path, registry: Registry, name: str, version: str | None) -> Facts:
    """Fill an empty folder with a registered version (None = the champion). Raises RegistryError."""
    version = version or registry.require_champion(name)
    bundle = registry.download(name, version, folder / _BUNDLE)
    facts = Facts(name, version, read_bundle(bundle).digest)
    (folder / _FACTS).write_text(json.dumps(asdict(facts), indent=1), encoding="utf-8")
    for package in _CODE:
        shutil.copytree(_source(package), folder / package, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return facts


def read_facts(folder: Path) -> Facts:
    """The version in the package in ``folder``. Raises PackageError if ``package.json`` is missing or invalid."""
    path = folder / _FACTS
    try:
        return Facts(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise PackageError(
            f"{path}: expected what `python -m serving package` writes; found something else. Make it again."
        ) from None


def settings(folder: Path) -> Settings:
    """Settings for serving the package in ``folder`` in this process, without ports: the server around it has them.

    Raises PackageError if the package was changed or the state folder is not set, EndpointError for invalid limits.
    """
    facts = read_facts(folder)
    try:
        read_bundle(folder / _BUNDLE, facts.digest)
    except RegistryError as error:
        raise PackageError(f"{error} The package was changed: make it again.") from None
    if not os.environ.get(STATE):
        raise PackageError(
            f"{STATE}: expected the state folder, with feast/feature_store.yaml in it; found none. Set it."
        )
    state = Path(os.environ[STATE]).resolve()
    return Settings(
        name=facts.name,
        version=facts.version,
        bundle=str((folder / _BUNDLE).resolve()),
        digest=facts.digest,
        store_config=str(state / "feast" / "feature_store.yaml"),
        served=str(state / "endpoint" / "served"),
        port=0,
        grpc_port=0,
        limits=limits_of(os.environ),
    )


def _source(package: str) -> Path:
    """The folder of one of our packages, wherever it is installed."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise PackageError(f"{package}: expected our package of that name; found none. Install heliograph.")
    return Path(found.origin).parent
