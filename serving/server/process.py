"""The server process: a KServe ModelServer over the ranking service. ``python -m serving.server.process SETTINGS``.

``serving.deployment.endpoint`` starts it; a container may do so as well.
"""

import asyncio
import gc
import logging
import sys
from pathlib import Path

from models.training.errors import ArtifactError
from serving.errors import EndpointError, RegistryError
from serving.server.drain import Drain
from serving.server.fast_path import FastPath
from serving.server.guard import RequestGuard
from serving.server.kserve_extensions import checked_data_plane, fixed_repository, ranking_model
from serving.server.kserve_servers import model_server
from serving.server.loading import load
from serving.server.logs import configure_logging
from serving.server.ranking_runtime import RankingRuntime
from serving.server.ui import mount
from serving.settings.settings import Settings
from serving.settings.token import read_token

REFUSED = (ArtifactError, EndpointError, RegistryError)
_SWITCH_SECONDS = 0.0001
"""How long the event loop and the scoring thread wait for each other's turn of the interpreter, at most."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM. Raises one of ``REFUSED`` for what may not, or cannot, be served."""
    configure_logging()
    sys.setswitchinterval(_SWITCH_SECONDS)
    token = read_token(settings.token_file)
    runtime = load(settings)
    try:
        _serve(runtime, settings, token)
    finally:
        runtime.close()


def _serve(runtime: RankingRuntime, settings: Settings, token: str | None) -> None:
    import uvloop
    from kserve.model_server import app

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # KServe asks for whatever loop is set
    asyncio.set_event_loop(asyncio.new_event_loop())
    drain = Drain(settings.limits.drain_seconds)
    model = ranking_model(runtime)
    app.add_middleware(FastPath, path=f"/v1/models/{settings.name}:predict", predict=model.document)
    app.add_middleware(RequestGuard, limits=settings.limits, token=token, drain=drain)
    mount(app, runtime.tensors.spec, settings, runtime.most_shown)
    server = model_server(settings, token, drain)
    server.dataplane = checked_data_plane(server.registered_models, lambda: runtime.ready and not drain.begun)
    server.model_repository_extension = fixed_repository(server.registered_models)
    facts = (settings.name, settings.version, settings.host, settings.port, settings.grpc_port)
    logging.getLogger("heliograph").info("serving %s version %s at %s port %d, gRPC at port %d", *facts)
    gc.collect()
    gc.freeze()  # modules and model stay: no search for garbage need go through them again
    server.start([model])


def main() -> int:
    """Serve the settings of the command line; the exit status is 1 where they cannot be, and a line says why."""
    try:
        serve(Settings.read(Path(sys.argv[1])))
    except REFUSED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
