"""KServe's two servers, bound to one address, weighed, guarded and ended gently."""

import asyncio
import math
from typing import TYPE_CHECKING, Any

from serving.server.connections import MOST, SPARE, bounded_protocol
from serving.server.drain import Drain
from serving.server.grpc_server import grpc_server
from serving.server.kserve_extensions import refuse_plainly
from serving.settings.limits import Limits
from serving.settings.settings import Settings

if TYPE_CHECKING:
    from kserve import ModelServer

_GRACE_SECONDS = 2
"""Beside the deadline of a request, for its answer to be sent."""


def model_server(settings: Settings, token: str | None, drain: Drain) -> "ModelServer":
    """A ``ModelServer`` whose two servers are the ones below; it knows no other way to be given them."""
    from kserve import model_server as module

    class GentleModelServer(module.ModelServer):
        def stop(self, sig: int) -> None:
            """REST has ended when this is called; gRPC answers what it is at. The model stays to the end."""
            self._stopping = asyncio.create_task(self._grpc_server.stop(sig))

    limits = settings.limits
    module.RESTServer = _rest_server(settings.host, limits, drain)
    module.GRPCServer = grpc_server(settings.host, limits, token, drain)
    return GentleModelServer(
        http_port=settings.port,
        grpc_port=settings.grpc_port,
        enable_latency_logging=False,
        grace_period=math.ceil(limits.deadline_seconds) + _GRACE_SECONDS,
    )


def _rest_server(host: str, limits: Limits, drain: Drain) -> type:
    from kserve.protocol.rest.server import RESTServer
    from uvicorn import Server

    class DrainingServer(Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            """The first signal begins the drain; a second one ends the server at once, as it does without us."""
            if drain.begun:
                super().handle_exit(sig, frame)
            else:
                drain.begin()
                self._captured_signals.append(sig)

        async def on_tick(self, counter: int) -> bool:
            """Ten times a second: whether to end."""
            return drain.over() or await super().on_tick(counter)

    class BoundRESTServer(RESTServer):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.config.host = host
            self.config.limit_concurrency = MOST + SPARE
            self.config.http, self.config.ws = bounded_protocol(limits.body_seconds), "none"
            self._server = DrainingServer(self.config)

        def _add_exception_handlers(self, app: Any) -> None:
            """Ours: KServe's repeat whatever was sent."""
            refuse_plainly(app)

        def _add_middlewares(self, app: Any) -> None:
            """None: KServe's ask the kernel for processor times at every message; stages are timed by ours."""

    return BoundRESTServer
