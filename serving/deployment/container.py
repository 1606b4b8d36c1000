"""Container entry point of the predictor: fetches, verifies and serves the version that the environment names.

``python -m serving.deployment.container`` reads these variables, which the InferenceService sets:

- HELIOGRAPH_MODEL, HELIOGRAPH_VERSION: what to serve.
- HELIOGRAPH_DIGEST: the bundle's expected digest (default: the registry's).
- MLFLOW_TRACKING_URI: the registry.
- HELIOGRAPH_STORE: the feature store's configuration (default: feature_store.cluster.yaml of the image).
- HELIOGRAPH_WORK: where the bundle and the served log are written.
- HELIOGRAPH_SERVED: the address where the served log is collected (default: it stays in the folder).
- HELIOGRAPH_LIMITS: JSON of the ``Limits`` that differ from the defaults.
- PORT: HTTP port; Knative sets it. HELIOGRAPH_GRPC_PORT: gRPC port (default: 8081, as in KServe's own servers).

A container restarted in its pod finds the bundle there and does not need the registry. Which slot holds the version's
vectors is in the online store itself; without them the container does not start (``serving.server.loading``).
"""

import os
import sys
from pathlib import Path

from serving.deployment.inference_service import DIGEST, SERVED
from serving.errors import EndpointError
from serving.server.process import REFUSED, serve
from serving.server.served_collector import collecting
from serving.settings.limits import limits_of
from serving.settings.settings import Settings
from serving.versions.registry import Registry

_EVERYWHERE = "0.0.0.0"
_STORE = "feature_repo/feature_store.cluster.yaml"


def settings_of(environment: dict[str, str]) -> Settings:
    """Fetch the version's bundle and build the server's settings. Raises EndpointError, RegistryError."""
    name, version, tracking_uri = (
        _needed(environment, variable) for variable in ("HELIOGRAPH_MODEL", "HELIOGRAPH_VERSION", "MLFLOW_TRACKING_URI")
    )
    store = Path(environment.get("HELIOGRAPH_STORE", _STORE)).resolve()
    if not store.is_file():
        raise EndpointError(f"HELIOGRAPH_STORE: expected a feature_store.yaml; found none at {store}")
    work = Path(environment.get("HELIOGRAPH_WORK", "/tmp/heliograph"))
    registry, expected = Registry(tracking_uri), environment.get(DIGEST, "")
    bundle = registry.download(name, version, work / "models" / f"{name}-{version}", expected)
    digest = expected or registry.digest(name, version)
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
    )


def _needed(environment: dict[str, str], variable: str) -> str:
    value = environment.get(variable, "")
    if not value:
        raise EndpointError(
            f"{variable}: expected a value in the environment; found none. `python -m serving manifest` sets it."
        )
    return value


def _number(variable: str, value: str) -> int:
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise EndpointError(f"{variable}: expected a whole number, 1 to 65535; found {value!r:.40}")
    return int(value)


def main() -> int:
    """Serve until SIGTERM; return exit status 1 where the version cannot be served."""
    try:
        settings = settings_of(dict(os.environ))
        with collecting(settings.served, os.environ.get(SERVED, "")):
            serve(settings)
    except REFUSED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
