"""One request to one answer, for the servers whose own error answers we do not want: the same words for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.errors import OverloadedError, RefusalError, RequestError, UnavailableError
from serving.server.ranking_runtime import RankingRuntime


@dataclass(frozen=True)
class Answer:
    """An HTTP status, the JSON document and the headers that go with it."""

    status: int
    document: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


async def answer(runtime: RankingRuntime, read: Callable[[], object], headers: Mapping[str, str]) -> Answer:
    """Answer the v1 document that ``read`` returns; ``headers`` of the request, by lower-case name."""
    try:
        return Answer(200, await runtime.document(read(), dict(headers)))
    except RefusalError as refused:
        return Answer(refused.status, {"error": refused.reason}, refused.headers)
    except RequestError as error:
        return Answer(400, {"error": str(error)})
    except OverloadedError as error:
        return Answer(429, {"error": str(error)}, {"retry-after": str(error.retry_after)})
    except UnavailableError as error:
        return Answer(503, {"error": str(error)})
