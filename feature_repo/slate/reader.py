"""Reading everything about one slate from the online store, in one round trip."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from feature_repo.slate.answer import SlateRows
from feature_repo.slate.asking import ask
from feature_repo.slate.decoding import decode
from feature_repo.slate.errors import SlateUnavailableError
from feature_repo.slate.plan import plan
from feature_repo.slate.question import Access, DownError, Question, Row
from models.clock import tolerance

_LOG = logging.getLogger(__name__)


class SlateReader:
    """Reads the features of one member (or whatever the candidates share) and N candidates at once.

    ``features`` are Feast's references ``view:feature``, or a feature service. Each key in ``candidate_keys`` has a
    value per candidate; ``derived_keys`` are keys whose value is a feature of another view, as in
    ``{"first_tag": "video_profile:first_tag"}``, found within the same round trip (on Redis by a script); where that
    feature is missing as of the read, so are the rows keyed by it. All other keys of the views are shared.

    ``deadline`` is in seconds, for the store to answer in. If it is down or late, the answer is the fallback's: with
    "missing" everything is missing and ``SlateRows.fallback`` is true, with "error" SlateUnavailableError is raised.
    Broken connections, at most ``pool``, are made again by the reads that follow. A reader belongs to one event loop.

    Raises SlateFeatureError for features or keys that cannot be read so, and UnsupportedError for an online store that
    is not one of ``feature_repo.stores.online``.
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
        self._plan = plan(store, features, candidate_keys, derived_keys or {})
        self._access = _access(store, pool)
        self._deadline = deadline
        self._fallback = fallback
        self._most = most_candidates
        self._answers = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give every connection back."""
        await self._access.close()

    async def read(
        self, shared: Mapping[str, Any], candidates: Mapping[str, Sequence[Any] | np.ndarray], as_of: int | None = None
    ) -> SlateRows:
        """The rows of one slate as of a moment (microseconds UTC), or of now if None.

        ``candidates`` holds each candidate key's values, (candidates,) each; a candidate may stand in it twice, or
        none at all. Keys that no view asks for are passed over, as Feast does. The store holds the newest row of a
        key: of a key whose row is later than ``as_of`` nothing is shown, whatever stood there then. Now is when the
        rows have come, and clocks may differ by the tolerance of ``models.clock``: what was pushed meanwhile is
        shown. A row beyond that is of no time yet: it is missing, and counted in ``ahead``.

        Raises SlateKeyError for a key that is missing or of a wrong type, and for too many candidates, and
        SlateUnavailableError where the fallback is "error".
        """
        question, count = ask(self._plan, shared, candidates, self._most)
        rows = await self._fetch(question)
        now = time.time_ns() // 1_000
        end = now + tolerance()
        if as_of is not None:
            return decode(self._plan, rows, count, as_of, min(as_of, end), end)
        return decode(self._plan, rows, count, now, end, end)

    async def _fetch(self, question: Question) -> list[Row] | None:
        """None where the store does not answer in time."""
        try:
            async with asyncio.timeout(self._deadline):
                rows = await self._access.fetch(question)
        except TimeoutError as error:
            self._fall_back(f"no answer within {self._deadline} s", error)
            return None
        except DownError as error:
            self._fall_back(str(error), error)
            return None
        if not self._answers:
            _LOG.warning("The online store answers again")
            self._answers = True
        return rows

    def _fall_back(self, reason: str, error: Exception) -> None:
        if self._fallback == "error":
            raise SlateUnavailableError(f"online store: expected an answer; found {reason}") from error
        if self._answers:  # once an outage, not once a read
            _LOG.warning("The online store does not answer, everything is missing: %s", reason)
            self._answers = False


def _access(store: Any, pool: int) -> Access:
    from feature_repo.stores.errors import UnsupportedError
    from feature_repo.stores.online import PackedRedisOnlineStoreConfig, PackedSqliteOnlineStoreConfig

    config = store.config.online_store
    if isinstance(config, PackedRedisOnlineStoreConfig):
        from feature_repo.slate.redis import RedisAccess
        from feature_repo.stores.online.redis import connection_arguments

        return RedisAccess(connection_arguments(config), pool)
    if isinstance(config, PackedSqliteOnlineStoreConfig):
        from feature_repo.slate.sqlite import SqliteAccess
        from feature_repo.stores.online.sqlite import database

        return SqliteAccess(database(store.config), pool)
    raise UnsupportedError(
        f"online store {config.type}: expected one of feature_repo.stores.online. Configure PackedSqliteOnlineStore or "
        "PackedRedisOnlineStore in feature_store.yaml"
    )
