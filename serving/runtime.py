"""The server process: a KServe ModelServer over the ranking service. ``python -m serving.runtime SETTINGS``.

``serving.endpoint`` starts it; a container may do so as well.
"""

import asyncio
import logging
import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.adapters import (
    bind_servers,
    checked_data_plane,
    configure_logging,
    fixed_repository,
    ranking_model,
    refuse_plainly,
)
from serving.answering import Answering
from serving.bundle import read_spec
from serving.door import Door
from serving.listening import await_free
from serving.request import Limits, RankingRequest
from serving.served import ServedLog
from serving.service import RankingService
from serving.settings import Settings


def serve(settings: Settings, loaded: int | None = None) -> None:
    """Serve until SIGTERM. ``loaded``: a file descriptor that is told, and closed, once everything is in memory."""
    configure_logging()
    service, limits = _load(settings), Limits()
    if loaded is not None:
        os.write(loaded, b"loaded")
        os.close(loaded)
    await_free(settings.host, settings.port)
    answering = Answering(settings.name, service, ServedLog(Path(settings.served), settings.name), limits)
    try:
        _serve(answering, settings, limits)
    finally:
        answering.close()


def _serve(answering: Answering, settings: Settings, limits: Limits) -> None:
    from kserve.model_server import ModelServer, app

    app.add_middleware(Door, limits=limits)
    refuse_plainly(app)
    bind_servers(settings.host, limits)
    server = ModelServer(
        http_port=settings.port, grpc_port=settings.grpc_port, enable_latency_logging=False, grace_period=5
    )
    server.dataplane = checked_data_plane(server.registered_models)
    server.model_repository_extension = fixed_repository(server.registered_models)
    facts = (settings.name, settings.version, settings.host, settings.port, settings.grpc_port)
    logging.getLogger("heliograph").info("serving %s version %s at %s port %d, gRPC at port %d", *facts)
    server.start([ranking_model(answering)])


def _load(settings: Settings) -> RankingService:
    """Everything into memory, and one slate of unknown keys ranked, so that the first request is not the slow one."""
    import torch

    from serving.reader import OnlineReader
    from serving.scorer import Scorer

    torch.set_num_threads(1)  # slates are small and come side by side
    bundle = Path(settings.bundle)
    spec = read_spec(bundle)
    store = Path(settings.store_config)
    service = RankingService(spec, Scorer(bundle), OnlineReader(store, spec), settings.version)
    unknown: dict[str, Any] = {"int": -1, "string": "-"}
    member, item = (unknown[spec.nodes[column.node].key_type] for _, column in spec.node_columns())
    first = RankingRequest(member, (item,), spec.impressions.surfaces[0], spec.span("test").end)
    # Not asyncio.run, after which KServe would find no event loop to start on. A reader belongs to one loop.
    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(_first(service, first))
    return replace(service, reader=OnlineReader(store, spec))


async def _first(service: RankingService, request: RankingRequest) -> None:
    service.rank(request, await service.reader.read(request))
    await service.reader.close()


if __name__ == "__main__":
    serve(Settings.read(Path(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) > 2 else None)
