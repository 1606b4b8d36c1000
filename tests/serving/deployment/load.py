"""Load: callers that never stop and record every response."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.serving.running import wait_until

_PAUSE = 0.01
"""Seconds between two requests of one caller; there are only two cores."""


@dataclass(frozen=True)
class Response:
    """A response; ``status`` 0 where the connection failed."""

    at: float
    status: int
    version: str
    text: str
    headers: dict[str, str]

    @property
    def predictions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.text)["predictions"]
        return found


class Load:
    """The responses so far."""

    def __init__(self) -> None:
        self.responses: list[Response] = []

    def since(self, moment: float) -> list[Response]:
        return [response for response in self.responses if response.at > moment]

    def failed(self) -> list[Response]:
        return [response for response in self.responses if response.status != 200]

    def await_version(self, version: str) -> None:
        """Wait for a response from that version to a request sent from now on."""
        begun = time.monotonic()
        wait_until(lambda: any(response.version == version for response in self.since(begun)))

    def shares(self, moment: float, least: int = 200) -> dict[str, float]:
        """Each version's share of the responses after a time; waits for that many."""
        wait_until(lambda: len(self.since(moment)) >= least)
        found = self.since(moment)
        return {version: count / len(found) for version, count in Counter(one.version for one in found).items()}


@contextmanager
def load(url: str, document: dict[str, Any], callers: int = 4) -> Iterator[Load]:
    """Callers with one connection each that send one request after another, and back off while requests fail."""
    found, done = Load(), threading.Event()

    def send_all() -> None:
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not done.is_set():
                response = _send(client, url, document)
                found.responses.append(response)
                done.wait(_PAUSE if response.status == 200 else 10 * _PAUSE)

    threads = [threading.Thread(target=send_all) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _send(client: httpx.Client, url: str, document: dict[str, Any]) -> Response:
    begun = time.monotonic()
    try:
        response = client.post(url, json=document)
    except httpx.TransportError as error:
        return Response(begun, 0, "", repr(error), {})
    version = response.json()["predictions"][0]["model_version"] if response.status_code == 200 else ""
    return Response(begun, response.status_code, version, response.text, dict(response.headers))
