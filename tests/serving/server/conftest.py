"""A runtime without a server around it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.ranking.service import RankingService
from serving.server.loading import load
from serving.server.ranking_runtime import RankingRuntime
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from serving.settings.limits import Limits
from serving.settings.settings import Settings
from serving.versions.bundle import read_bundle
from tests.serving.server.runtimes import Steps, SwitchableReader
from tests.serving.world import World


@pytest.fixture
def run(world: World, tmp_path: Path) -> Callable[..., None]:
    settings = Settings(
        name=world.name,
        version=world.version,
        bundle=str(world.state.parent / "bundle"),
        digest=read_bundle(world.state.parent / "bundle").digest,
        store_config=str(world.store_config),
        served=str(tmp_path / "unused"),
        port=0,
        grpc_port=0,
    )

    def run(steps: Steps, **limits: Any) -> None:
        async def main() -> None:
            loaded = load(settings)
            service: RankingService = loaded._service
            loaded.close()
            reader = SwitchableReader(service.reader)  # type: ignore[arg-type]
            log = ServedLog(ServedFiles(tmp_path / "served"), world.name)
            runtime = RankingRuntime(world.name, replace(service, reader=reader), log, Limits(**limits))
            try:
                await steps(runtime, reader)
            finally:
                runtime.close()
                await reader.close()

        asyncio.run(main())

    return run
