"""The server process: a KServe ModelServer over the ranking service. ``python -m serving.runtime SETTINGS``.

``serving.endpoint`` starts it; a container may do so as well.
"""

import asyncio
import gc
import logging
import sys
from pathlib import Path

from models.training.errors import ArtifactError
from serving.adapters import checked_data_plane, fixed_repository, ranking_model
from serving.answering import Answering
from serving.direct import Direct
from serving.door import Door
from serving.drain import Drain
from serving.errors import EndpointError, RegistryError
from serving.loading import load
from serving.logs import configure_logging
from serving.servers import model_server
from serving.settings import Settings
from serving.token import read_token
from serving.ui import mount

REFUSED = (ArtifactError, EndpointError, RegistryError)
_SWITCH_SECONDS = 0.0001
"""How long the event loop and the scoring thread wait for each other's turn of the interpreter, at most."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM. Raises one of ``REFUSED`` for what may not, or cannot, be served."""
    configure_logging()
    sys.setswitchinterval(_SWITCH_SECONDS)
    token = read_token(settings.token_file)
    answering = load(settings)
    try:
        _serve(answering, settings, token)
    finally:
        answering.close()


def _serve(answering: Answering, settings: Settings, token: str | None) -> None:
    import uvloop
    from kserve.model_server import app

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # KServe asks for whatever loop is set
    asyncio.set_event_loop(asyncio.new_event_loop())
    drain = Drain(settings.limits.drain_seconds)
    model = ranking_model(answering)
    app.add_middleware(Direct, path=f"/v1/models/{settings.name}:predict", predict=model.document)
    app.add_middleware(Door, limits=settings.limits, token=token, drain=drain)
    mount(app, answering.tensors.spec, settings, answering.most_shown)
    server = model_server(settings, token, drain)
    server.dataplane = checked_data_plane(server.registered_models, lambda: answering.ready and not drain.begun)
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
