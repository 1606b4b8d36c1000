"""gRPC calls of unknown methods: refused without decoding the method's name, which may be invalid UTF-8.

``grpc.aio`` decodes the name in the task that accepts all calls, so one call with an invalid path stops the server
(grpcio 1.85.1). Calls of known methods arrive under their own names; all others are accepted here and passed to the
handlers without their name. This depends on grpcio's internals: constraints.txt pins its version, and
``tests/serving/server/test_grpc_attacks.py`` checks that it still works.
"""

import asyncio
from typing import Any

from grpc._cython import cygrpc  # type: ignore[import-untyped]

_NAME = "/"


class _NoHandlers:
    """Handlers of a server without methods."""

    def resolve_handler(self, _: Any) -> None:
        """None: gRPC then responds UNIMPLEMENTED."""


def install() -> None:
    """Make ``grpc.aio.server`` create our server from now on; grpcio has no public way to choose it."""
    cygrpc.AioServer = Server


class Server(cygrpc.AioServer):
    """grpcio's server; only calls of unknown methods are accepted differently."""

    def __init__(self, loop: Any, pool: Any, handlers: Any, interceptors: Any, *more: Any) -> None:
        super().__init__(loop, pool, handlers, interceptors, *more)
        self._own_loop, self._own_interceptors = loop, tuple(interceptors)
        self._refusals = set[asyncio.Task[None]]()

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        """The next call of a method; for None (unknown methods) a future that never completes."""
        if method is not None:
            return super()._make_request_call_future(method)
        return self._own_loop.create_task(self._refuse_all())

    async def _refuse_all(self) -> None:
        """Refuse one call after another until the server stops."""
        loop = self._own_loop
        while True:
            call = await self._request_call()
            refusal = cygrpc._handle_rpc(_NAME, _NoHandlers(), self._own_interceptors, call, loop, False)
            task = loop.create_task(cygrpc._schedule_rpc_coro(refusal, call, loop, _NAME))
            self._refusals.add(task)
            task.add_done_callback(self._refusals.discard)
