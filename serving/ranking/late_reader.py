"""Reader of a server that started while the online store did not respond: which slot to read is in the store itself."""

import asyncio
from collections.abc import Callable

from serving.errors import EndpointError, UnavailableError
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest


class LateReader:
    """Opens the reader with the first read that finds the store responding."""

    def __init__(self, open_reader: Callable[[], OnlineReader]) -> None:
        """``open_reader`` raises UnavailableError while the store does not respond, EndpointError without vectors."""
        self._open, self._opening = open_reader, False
        self._found: OnlineReader | None = None

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        """See ``OnlineReader.read``. Raises UnavailableError also until the store holds the version's vectors.

        One caller at a time tries to open the reader; the others are not kept waiting.
        """
        if self._found is None:
            if self._opening:
                raise UnavailableError("the online store has not responded yet")
            self._opening = True
            try:
                self._found = await asyncio.to_thread(self._open)
            except EndpointError as error:
                raise UnavailableError("the online store does not hold the version's vectors") from error
            finally:
                self._opening = False
        return await self._found.read(request)

    async def close(self) -> None:
        """Release the connections."""
        if self._found is not None:
            await self._found.close()
