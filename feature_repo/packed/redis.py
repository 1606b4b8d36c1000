"""Packed rows in Redis, one string per row."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha1
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, WatchError

from feature_repo.packed.errors import ConflictError, UnsupportedError
from feature_repo.packed.layout import TIMES_BYTES, time_bytes
from feature_repo.packed.rows import Change

CONNECT_SECONDS, SECONDS = 2.0, 10.0
"""How long a connection and a response may take, unless configured."""
_ROWS = 1_000
"""Rows per call of the script: Redis serves no one else while it runs."""
_KEYS = 10_000
_ATTEMPTS = 1_000
# Lua compares strings by the server's locale, so times are compared as numbers; a double holds 32 bits exactly.
_WRITE_NEWEST = f"""
local get, parts = '{TIMES_BYTES - 1}', '>I4I4I4I4'
local most, least = struct.unpack('>I4I4', ARGV[#KEYS + 1])
for i, key in ipairs(KEYS) do
  local row, later = ARGV[i], false
  local stored = redis.call('GETRANGE', key, '0', get)
  if #stored == {TIMES_BYTES} then
    local a, b, c, d = struct.unpack(parts, stored)
    local e, f, g, h = struct.unpack(parts, row)
    if a ~= e then later = a > e elseif b ~= f then later = b > f
    elseif c ~= g then later = c > g else later = d > h end
    if a > most or (a == most and b > least) then later = false end
  end
  if not later then redis.call('SET', key, row) end
end
"""
_DIGEST = sha1(_WRITE_NEWEST.encode()).hexdigest()


def redis_arguments(connection_string: str) -> dict[str, Any]:
    """Arguments of ``redis.Redis`` from Feast's connection string, ``host:port,name=value,...``.

    Raises UnsupportedError for several servers.
    """
    parts = connection_string.split(",")
    servers = [part for part in parts if "=" not in part]
    if len(servers) != 1:
        raise UnsupportedError(
            f"connection_string: expected one host:port; found {len(servers)}. "
            "A Redis Cluster or Sentinel is not supported"
        )
    host, _, port = servers[0].rpartition(":")
    arguments: dict[str, Any] = {"host": host or port, "port": int(port) if host else 6379}
    for name, _, value in (part.partition("=") for part in parts if "=" in part):
        try:
            arguments[name] = json.loads(value)
        except json.JSONDecodeError:
            arguments[name] = value
    return arguments


class RedisRows:
    """A ``RowStore`` in Redis. Takes a connection string, or the arguments of ``redis.Redis``."""

    def __init__(self, connection_string: str | None = None, **arguments: Any) -> None:
        given = redis_arguments(connection_string) if connection_string is not None else {}
        self._client = Redis(**{**given, **arguments})

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See ``RowStore``."""
        found: list[bytes | None] = []
        for start in range(0, len(keys), _KEYS):
            found += self._client.mget(keys[start : start + _KEYS])
        return found

    def write_newest(self, pairs: Sequence[tuple[bytes, bytes]], latest: int | None = None) -> None:
        """See ``RowStore``."""
        for start in range(0, len(pairs), _ROWS):
            some = pairs[start : start + _ROWS]
            arguments = [*(key for key, _ in some), *(row for _, row in some), time_bytes(latest)]
            try:
                self._client.evalsha(_DIGEST, len(some), *arguments)
            except NoScriptError:  # this Redis has not cached the script yet; EVAL caches it
                self._client.eval(_WRITE_NEWEST, len(some), *arguments)

    def change(self, keys: Sequence[bytes], change: Change) -> None:
        """See ``RowStore``."""
        if not keys:
            return
        with self._client.pipeline() as pipe:
            for _ in range(_ATTEMPTS):
                try:
                    pipe.watch(*keys)
                    rows = change(pipe.mget(keys))
                    pairs = {key: row for key, row in zip(keys, rows, strict=True) if row is not None}
                    pipe.multi()
                    if pairs:
                        pipe.mset(pairs)
                    pipe.execute()
                    return
                except WatchError:
                    continue
        raise ConflictError(
            f"{len(keys)} rows: expected to change them within {_ATTEMPTS} attempts; found other writers each time. "
            "Let fewer writers change the same rows"
        )

    def delete(self, prefix: bytes) -> int:
        """See ``RowStore``."""
        deleted = 0
        for keys in self._scan(prefix):
            deleted += self._client.unlink(*keys)
        return deleted

    def remove(self, keys: Sequence[bytes]) -> int:
        """See ``RowStore``."""
        starts = range(0, len(keys), _KEYS)
        return sum(int(self._client.unlink(*keys[start : start + _KEYS])) for start in starts)

    def dump(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See ``RowStore``."""
        keys = sorted({key for some in self._scan(prefix) for key in some})
        for key, row in zip(keys, self.read(keys), strict=True):
            if row is not None:
                yield key, row

    def close(self) -> None:
        """See ``RowStore``."""
        self._client.close()

    def _scan(self, prefix: bytes) -> Iterator[list[bytes]]:
        pattern = b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in prefix) + b"*"
        cursor = None
        while cursor != 0:
            cursor, keys = self._client.scan(cursor or 0, match=pattern, count=_KEYS)
            if keys:
                yield keys
