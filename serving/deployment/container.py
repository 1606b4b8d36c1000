"""The predictor's container: a registered version, named by the environment, fetched, verified and served.

``python -m serving.deployment.container``; deploy/*.yaml set the variables. HELIOGRAPH_MODEL and HELIOGRAPH_VERSION say what to
serve, HELIOGRAPH_DIGEST what its bundle must be (default: what the registry says), MLFLOW_TRACKING_URI where it is
registered, HELIOGRAPH_STORE (default: feature_store.cluster.yaml of the image) where its features are, HELIOGRAPH_WORK
where the bundle and the served log may be written, HELIOGRAPH_LIMITS (JSON) what of ``Limits`` is not the default. HTTP
is at PORT, which Knative sets, gRPC at HELIOGRAPH_GRPC_PORT (default: 8081, as KServe's own servers have it). A
container that is started again in its pod finds the bundle there, and needs no registry.
"""

import os
import sys
from pathlib import Path

from serving.deployment.inference_service import DIGEST
from serving.errors import EndpointError
from serving.server.process import REFUSED, serve
from serving.settings.limits import limits_of
from serving.settings.settings import Settings
from serving.versions.registry import SLOT, Registry

_EVERYWHERE = "0.0.0.0"
_STORE = "feature_repo/feature_store.cluster.yaml"


def settings_of(environment: dict[str, str]) -> Settings:
    """Fetch the version's bundle and say how it is to be served. Raises EndpointError, RegistryError."""
    name, version, tracking_uri = (
        _needed(environment, variable) for variable in ("HELIOGRAPH_MODEL", "HELIOGRAPH_VERSION", "MLFLOW_TRACKING_URI")
    )
    store = Path(environment.get("HELIOGRAPH_STORE", _STORE)).resolve()
    if not store.is_file():
        raise EndpointError(f"HELIOGRAPH_STORE: expected a feature_store.yaml; found none at {store}")
    work = Path(environment.get("HELIOGRAPH_WORK", "/tmp/heliograph"))
    registry, given = Registry(tracking_uri), environment.get(DIGEST, "")
    bundle = registry.download(name, version, work / "models" / f"{name}-{version}", given)
    digest = given or registry.digest(name, version)
    return Settings(
        name=name,
        version=version,
        bundle=str(bundle.resolve()),
        digest=digest,
        store_config=str(store),
        served=str((work / "served").resolve()),
        port=_number("PORT", environment.get("PORT", "8080")),
        grpc_port=_number("HELIOGRAPH_GRPC_PORT", environment.get("HELIOGRAPH_GRPC_PORT", "8081")),
        host=environment.get("HELIOGRAPH_HOST", _EVERYWHERE),
        limits=limits_of(environment),
        slot=_slot(registry, name, version, work / "slots" / f"{name}-{version}"),
    )


def _slot(registry: Registry, name: str, version: str, noted: Path) -> str:
    """Where the version's vectors are: noted once it is known, so that a restart does not need the registry."""
    if noted.is_file():
        return noted.read_text(encoding="utf-8")
    slot = registry.tags(name, version).get(SLOT, "")
    if slot:
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text(slot, encoding="utf-8")
    return slot


def _needed(environment: dict[str, str], variable: str) -> str:
    value = environment.get(variable, "")
    if not value:
        raise EndpointError(f"{variable}: expected a value in the environment; found none. deploy/*.yaml set it.")
    return value


def _number(variable: str, value: str) -> int:
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise EndpointError(f"{variable}: expected a whole number, 1 to 65535; found {value!r:.40}")
    return int(value)


def main() -> int:
    """Serve until SIGTERM; the exit status is 1 where there is nothing that can be served."""
    try:
        serve(settings_of(dict(os.environ)))
    except REFUSED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
