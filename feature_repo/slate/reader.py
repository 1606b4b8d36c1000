"""Slate reader: all features of one slate from the online store, in one round trip."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from feature_repo.slate.decode import decode
from feature_repo.slate.errors import SlateUnavailableError
from feature_repo.slate.plan import plan_slate
from feature_repo.slate.query import DownError, PackedRow, Query, QueryClient
from feature_repo.slate.query_builder import build_query
from feature_repo.slate.rows import SlateRows
from models import clock

_LOG = logging.getLogger(__name__)


class SlateReader:
    """Reads the features of one member (or other shared keys) and N candidates at once.

    ``features`` are Feast references ``view:feature``, or a feature service. Each key in ``candidate_keys`` has one
    value per candidate. ``derived_keys`` are keys whose value is a feature of another view, as in
    ``{"first_tag": "video_profile:first_tag"}``, resolved within the same round trip (on Redis by a script); if that
    feature is missing as of the read, so are the rows keyed by it. All other keys of the views are shared.

    ``deadline`` is the store's time to respond, in seconds. If the store is down or late, ``fallback`` decides:
    "missing" returns everything as missing, with ``SlateRows.fallback`` true; "error" raises SlateUnavailableError. At
    most ``pool`` connections are open; broken ones are replaced by later reads. A reader belongs to one event loop.

    Raises SlateFeatureError for features or keys that cannot be read this way, and UnsupportedError for an online store
    that is not one of ``feature_repo.stores.online``.
    """

    def __init__(
        self,
        store: Any,
        features: Any,
        candidate_keys: Sequence[str],
        derived_keys: Mapping[str, str] | None = None,
        deadline: float = 0.05,
        fallback: Literal["missing", "error"] = "missing",
        pool: int = 16,
        most_candidates: int = 2_000,
    ) -> None:
        if fallback not in ("missing", "error"):
            raise ValueError(f"fallback: expected 'missing' or 'error'; found {fallback!r}")
        self._plan = plan_slate(store, features, candidate_keys, derived_keys or {})
        self._client = _client(store, pool)
        self._deadline = deadline
        self._fallback = fallback
        self._most = most_candidates
        self._up = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def read(
        self, shared: Mapping[str, Any], candidates: Mapping[str, Sequence[Any] | np.ndarray], as_of: int | None = None
    ) -> SlateRows:
        """Read one slate as of a time (microseconds UTC); None = the current time.

        ``candidates`` holds the values of each candidate key, (candidates,) each; duplicates and empty slates are fine.
        Keys that no view uses are ignored, as in Feast. The store holds only the newest row of a key: if that is later
        than ``as_of``, the row is missing. The current time is taken after the rows have arrived, and clocks may differ
        by the tolerance of ``models.clock``, so rows pushed meanwhile are visible. A row later than that is missing and
        counted in ``ahead``.

        Raises SlateKeyError for a missing key, a key of a wrong type, or too many candidates, and SlateUnavailableError
        if the fallback is "error".
        """
        query, count = build_query(self._plan, shared, candidates, self._most)
        rows = await self._fetch(query)
        now = clock.now()
        end = now + clock.tolerance()
        if as_of is not None:
            return decode(self._plan, rows, count, as_of, min(as_of, end), end)
        return decode(self._plan, rows, count, now, end, end)

    async def _fetch(self, query: Query) -> list[PackedRow] | None:
        """The rows; None if the store does not respond in time."""
        try:
            async with asyncio.timeout(self._deadline):
                rows = await self._client.fetch(query)
        except TimeoutError as error:
            self._fall_back(f"no response within {self._deadline} s", error)
            return None
        except DownError as error:
            self._fall_back(str(error), error)
            return None
        if not self._up:
            _LOG.warning("The online store responds again")
            self._up = True
        return rows

    def _fall_back(self, reason: str, error: Exception) -> None:
        if self._fallback == "error":
            raise SlateUnavailableError(f"online store: expected a response; found {reason}") from error
        if self._up:  # once per outage, not once per read
            _LOG.warning("The online store does not respond; all features are missing: %s", reason)
            self._up = False


def _client(store: Any, pool: int) -> QueryClient:
    from feature_repo.stores.errors import UnsupportedError
    from feature_repo.stores.online import PackedRedisOnlineStoreConfig, PackedSqliteOnlineStoreConfig

    config = store.config.online_store
    if isinstance(config, PackedRedisOnlineStoreConfig):
        from feature_repo.slate.redis import RedisClient
        from feature_repo.stores.online.redis import connection_arguments

        return RedisClient(connection_arguments(config), pool)
    if isinstance(config, PackedSqliteOnlineStoreConfig):
        from feature_repo.slate.sqlite import SqliteClient
        from feature_repo.stores.online.sqlite import database

        return SqliteClient(database(store.config), pool)
    raise UnsupportedError(
        f"online store {config.type}: expected one of feature_repo.stores.online. Configure PackedSqliteOnlineStore or "
        "PackedRedisOnlineStore in feature_store.yaml"
    )
