"""The server process: a KServe ModelServer around the ranking service. ``python -m serving.server.process SETTINGS``.

``serving.deployment.endpoint`` starts it; a container may as well.
"""

import asyncio
import logging
import sys
from pathlib import Path

from models.garbage import collect_as_usual
from models.training.errors import ArtifactError
from serving.errors import EndpointError, RegistryError
from serving.server.drain import Drain
from serving.server.fast_path import FastPath, v1_handler, v2_handler
from serving.server.guard import RequestGuard
from serving.server.loading import load
from serving.server.logs import configure_logging
from serving.server.outcome_log import OutcomeLog, folder_beside
from serving.server.ranking_runtime import RankingRuntime
from serving.server.served_files import ServedFiles
from serving.server.ui import mount
from serving.settings.settings import Settings
from serving.settings.token import read_token

REFUSED = (ArtifactError, EndpointError, RegistryError)
"""Raised for a version that may not or cannot be served."""
_SWITCH_SECONDS = 0.0001
"""Python's switch interval: how long the event loop and the scoring thread wait for each other at most."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM. Raises one of ``REFUSED`` if the version may not or cannot be served."""
    configure_logging()
    sys.setswitchinterval(_SWITCH_SECONDS)
    token = read_token(settings.token_file)
    runtime = load(settings)
    files = ServedFiles(folder_beside(Path(settings.served)))
    outcomes = OutcomeLog(files, settings.name, runtime.tensors.spec, settings.limits)
    try:
        _serve(runtime, outcomes, settings, token)
    finally:
        outcomes.close()
        runtime.close()


def _serve(runtime: RankingRuntime, outcomes: OutcomeLog, settings: Settings, token: str | None) -> None:
    import uvloop
    from kserve.model_server import app

    from serving.server.kserve.data_plane import FixedRepository, OneModelDataPlane
    from serving.server.kserve.model import RankingModel
    from serving.server.kserve.servers import model_server

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # KServe takes whatever loop is set
    asyncio.set_event_loop(asyncio.new_event_loop())
    name, drain = settings.name, Drain(settings.limits.drain_seconds)
    model = RankingModel(runtime)
    handlers = {
        f"/v1/models/{name}:predict": v1_handler(model.result),
        f"/v1/models/{name}:outcomes": outcomes.handle,
        f"/v2/models/{name}/infer": v2_handler(model.result, name),
    }
    app.add_middleware(FastPath, handlers=handlers)
    app.add_middleware(RequestGuard, limits=settings.limits, token=token, drain=drain)
    mount(app, runtime.tensors.spec, settings, runtime.popular_items)
    server = model_server(settings, token, drain)
    server.dataplane = OneModelDataPlane(server.registered_models, lambda: runtime.ready and not drain.begun)
    server.model_repository_extension = FixedRepository(server.registered_models)
    facts = (name, settings.version, settings.host, settings.port, settings.grpc_port)
    logging.getLogger("heliograph").info("serving %s version %s at %s port %d, gRPC at port %d", *facts)
    collect_as_usual()  # modules and model live as long as the process: they are not scanned again
    server.start([model])


def main() -> int:
    """Serve the settings file of the command line; the exit status is 1, with one line on stderr, if that fails."""
    try:
        serve(Settings.read(Path(sys.argv[1])))
    except REFUSED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
