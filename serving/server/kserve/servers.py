"""KServe's ModelServer with bounded HTTP and gRPC servers and a graceful stop."""

import asyncio
import math
from functools import partial
from typing import Any

from kserve import model_server as kserve_model_server
from kserve.protocol.rest.server import RESTServer
from uvicorn import Server

from serving.server.drain import Drain
from serving.server.kserve.connections import MAX_CONNECTIONS, SPARE_CONNECTIONS, BoundedProtocol
from serving.server.kserve.errors import add_error_handlers
from serving.server.kserve.grpc_server import BoundedGRPCServer
from serving.settings.limits import Limits
from serving.settings.settings import Settings

_SENDING_SECONDS = 2
"""Beside the deadline of a request: for sending its response."""


def model_server(settings: Settings, token: str | None, drain: Drain) -> "GracefulModelServer":
    """A ModelServer with the servers below; KServe takes them from its module only."""
    limits = settings.limits
    kserve_model_server.RESTServer = partial(BoundedRESTServer, host=settings.host, limits=limits, drain=drain)
    kserve_model_server.GRPCServer = partial(
        BoundedGRPCServer, host=settings.host, limits=limits, token=token, drain=drain
    )
    return GracefulModelServer(
        http_port=settings.port,
        grpc_port=settings.grpc_port,
        enable_latency_logging=False,
        grace_period=math.ceil(limits.deadline_seconds) + _SENDING_SECONDS,
    )


class GracefulModelServer(kserve_model_server.ModelServer):
    """A ModelServer that stops its gRPC server after its HTTP server and keeps the model to the end."""

    def stop(self, sig: int) -> None:
        """Called when the HTTP server has ended: finish the gRPC calls in flight."""
        self._stopping = asyncio.create_task(self._grpc_server.stop(sig))


class DrainingServer(Server):
    """A uvicorn server that drains before it stops."""

    def __init__(self, config: Any, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin the drain at the first signal; stop at once at the second, as uvicorn does."""
        if self._drain.begun:
            super().handle_exit(sig, frame)
        else:
            self._drain.begin()
            self._captured_signals.append(sig)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop."""
        return self._drain.finished() or await super().on_tick(counter)


class BoundedRESTServer(RESTServer):
    """KServe's HTTP server with bounded connections, our error responses and no middleware of KServe's."""

    def __init__(self, *arguments: Any, host: str, limits: Limits, drain: Drain, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.config.host = host
        self.config.limit_concurrency = MAX_CONNECTIONS + SPARE_CONNECTIONS
        self.config.http = partial(BoundedProtocol, body_seconds=limits.body_seconds, idle={})
        self.config.ws = "none"
        self._server = DrainingServer(self.config, drain)

    def _add_exception_handlers(self, app: Any) -> None:
        """Ours: KServe's repeat the whole input."""
        add_error_handlers(app)

    def _add_middlewares(self, app: Any) -> None:
        """None: KServe's reads the processor time from the kernel at every message; our metrics time the stages."""
