"""gRPC calls of methods that there are not: refused without a look at their names, which need not be text.

``grpc.aio`` decodes such a name in the very task that takes all calls in, so that one call whose path is no UTF-8 ends
the server (grpcio 1.85.1). GrpcCalls of methods that there are come to that task under their own names. So what comes under
another is taken here, and goes to the handlers without its name. This hangs on insides of grpcio, whose version
constraints.txt pins; ``tests/serving/server/test_grpc_attacks.py`` sees whether it still holds.
"""

import asyncio
from typing import Any

from grpc._cython import cygrpc  # type: ignore[import-untyped]

_NAME = "/"


class _Nowhere:
    """Where the handlers are looked up."""

    def resolve_handler(self, _: Any) -> None:
        """None: gRPC then answers UNIMPLEMENTED."""


def shield() -> None:
    """Have the servers that ``grpc.aio.server`` makes from now on be ours: it knows no way to be given one."""
    cygrpc.AioServer = Server


class Server(cygrpc.AioServer):
    """gRPC's server; only how it takes in calls of unknown methods differs."""

    def __init__(self, loop: Any, pool: Any, handlers: Any, interceptors: Any, *more: Any) -> None:
        super().__init__(loop, pool, handlers, interceptors, *more)
        self._here, self._around, self._refused = loop, tuple(interceptors), set[asyncio.Task[None]]()

    def _make_request_call_future(self, method: bytes | None) -> "asyncio.Future[Any]":
        """The next call of a method; for None, of an unknown one, nothing that ever comes."""
        if method is not None:
            return super()._make_request_call_future(method)
        return self._here.create_task(self._refuse())

    async def _refuse(self) -> None:
        """Answer call after call, until the server ends."""
        while True:
            call = await self._request_call()
            answer = cygrpc._handle_rpc(_NAME, _Nowhere(), self._around, call, self._here, False)
            task = self._here.create_task(cygrpc._schedule_rpc_coro(answer, call, self._here, _NAME))
            self._refused.add(task)
            task.add_done_callback(self._refused.discard)
