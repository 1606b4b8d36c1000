"""Slate reads from Redis: one MGET, or one call of a script where keys stand in other rows."""

from collections.abc import Iterator, Mapping
from hashlib import sha1
from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from feature_repo.slate.question import DerivedRows, DownError, Found, Question, Row

# KEYS: rows asked for directly. ARGV: derived views, and for each its rows and parts (see ``_arguments``).
# A dynamic key is fine on one Redis; on a Redis Cluster it would have to lie on the same shard.
_SCRIPT = """
local AT_ONCE = 4000  -- unpack has a stack of 8000
local argument = 0
local function take() argument = argument + 1; return ARGV[argument] end
local function number() return tonumber(take()) end

local function get(keys, rows, places)
  for first = 1, #keys, AT_ONCE do
    local last = math.min(first + AT_ONCE - 1, #keys)
    for i, row in ipairs(redis.call('MGET', unpack(keys, first, last))) do
      rows[places and places[first + i - 1] or first + i - 1] = row
    end
  end
end

local function value(row, slot)
  if not row or row:sub(slot.digest_at + 1, slot.digest_at + #slot.digest) ~= slot.digest then return false end
  if bit.band(row:byte(slot.null_byte + 1), slot.null_mask) == 0 then return false end
  local start, length = slot.at, slot.size
  if length == 0 then start, length = struct.unpack('<I4I4', row, slot.at + 1) end
  local found = row:sub(start + 1, start + length)
  if slot.size == 4 then found = found .. string.rep(string.char(found:byte(4) >= 128 and 255 or 0), 4) end
  if slot.framed == 1 then found = struct.pack('<I4', length) .. found end
  return slot.before .. found
end

local rows = {}
get(KEYS, rows)
local offset = #KEYS
for _ = 1, number() do
  local count, parts, keys = number(), number(), {}
  for i = 1, count do keys[i] = '' end
  for _ = 1, parts do
    local kind = take()
    if kind == 'same' then
      local bytes = take()
      for i = 1, count do keys[i] = keys[i] and keys[i] .. bytes end
    elseif kind == 'each' then
      for i = 1, count do
        local bytes = take()
        keys[i] = keys[i] and keys[i] .. bytes
      end
    else
      local first, step = number(), number()
      local slot = {digest = take(), digest_at = number(), null_byte = number(), null_mask = number(),
                    at = number(), size = number(), before = take(), framed = number()}
      for i = 1, count do
        local bytes = keys[i] and value(rows[first + step * (i - 1) + 1], slot)
        keys[i] = bytes and keys[i] .. bytes
      end
    end
  end
  local known, places = {}, {}
  for i = 1, count do
    rows[offset + i] = false
    if keys[i] then
      known[#known + 1] = keys[i]
      places[#places + 1] = offset + i
    end
  end
  get(known, rows, places)
  offset = offset + count
end
return rows
"""
_DIGEST = sha1(_SCRIPT.encode()).hexdigest()


class _Connection(Connection):
    """Commands are written by hiredis, as answers are read by it: two hundred keys in a tenth of the time."""

    def pack_command(self, *arguments: Any) -> list[bytes]:
        """A command, whose name may be two words, as the server reads it."""
        name, *values = arguments
        return [hiredis.pack_command((*name.split(), *values))]


class _SSLConnection(SSLConnection, _Connection):
    """The same through TLS."""


class RedisAccess:
    """A pool of at most ``pool`` connections, made when they are needed and made again when they break.

    Of one event loop: make it and use it inside the same one.
    """

    def __init__(self, connection: Mapping[str, Any], pool: int) -> None:
        # One try more, at once: a pooled connection may have died with the last server. What waits is the deadline.
        settings = {**connection, "retry": Retry(NoBackoff(), 1), "driver_info": None}
        settings["connection_class"] = _SSLConnection if settings.pop("ssl", False) else _Connection
        self._client = Redis.from_pool(BlockingConnectionPool(max_connections=pool, timeout=None, **settings))

    async def fetch(self, question: Question) -> list[Row]:
        """See ``Access``."""
        if not question.keys:
            return []
        try:
            if not question.derived:
                return await self._client.mget(question.keys)
            arguments = [*question.keys, len(question.derived)]
            for rows in question.derived:
                arguments += _arguments(rows)
            try:
                return await self._client.evalsha(_DIGEST, len(question.keys), *arguments)
            except NoScriptError:  # a Redis that has not seen it; EVAL keeps it
                return await self._client.eval(_SCRIPT, len(question.keys), *arguments)
        except (RedisError, OSError) as error:
            raise DownError(f"Redis: {error}") from error

    async def close(self) -> None:
        """Give every connection back."""
        await self._client.aclose(close_connection_pool=True)


def _arguments(rows: DerivedRows) -> Iterator[bytes | str | int]:
    yield from (rows.count, len(rows.parts))
    for part in rows.parts:
        if isinstance(part, bytes):
            yield from ("same", part)
        elif isinstance(part, Found):
            slot = part.slot
            yield from ("found", part.first, part.step, slot.digest, slot.digest_at, slot.null_byte, slot.null_mask)
            yield from (slot.at, slot.size, slot.before, int(slot.framed))
        else:
            yield "each"
            yield from part
