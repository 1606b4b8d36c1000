"""A trial: a real request through a service, answered by the version that was just deployed."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from serving.deployment.errors import DeploymentError

_REQUEST_SECONDS = 10.0
_PAUSE = 0.05
"""Seconds after a request that the version did not answer, be it that another one did. A canary of 1 % still answers
within a minute, all but surely: it has 1,200 chances."""
_FINAL = (400, 401, 413)
"""Statuses that the same request gets again."""
_MOST_BYTES = 1 << 22


@dataclass(frozen=True)
class Trial:
    """Sends a version's example request until the version answers it."""

    model: str
    """As in the addresses of the endpoint."""
    document: Callable[[str], dict[str, Any]]
    """The example of a version: a v1 document of one instance."""
    token: str | None = None
    """What the endpoint requires of its callers."""
    seconds: float = 60.0
    """How long the version may take to answer; with a small share, other versions answer meanwhile."""

    def run(self, url: str, version: str) -> None:
        """Send the request to ``url`` until ``version`` has ranked it with its own model.

        Raises DeploymentError where it does not in time, or the request is refused.
        """
        address = f"{url.rstrip('/')}/v1/models/{self.model}:predict"
        body = json.dumps(self.document(version)).encode()
        end, found = time.monotonic() + self.seconds, "no response"
        while time.monotonic() < end:
            status, text = self._send(address, body)
            if status == 200:
                found = _other(text, version)
                if not found:
                    return
            else:
                found = f"status {status}: {' '.join(text.split())[:200]}" if status else text
            if status in _FINAL:
                break
            time.sleep(min(_PAUSE, max(end - time.monotonic(), 0.0)))
        raise DeploymentError(
            f"version {version}: expected it to answer the example request at {address} within {self.seconds:g} s; "
            f"found {found}."
        )

    def _send(self, address: str, body: bytes) -> tuple[int, str]:
        """Status and text of the response; 0 and the reason where there is none."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the cluster is reached directly
        try:
            request = urllib.request.Request(address, body, headers)
            with opener.open(request, timeout=_REQUEST_SECONDS) as response:
                return response.status, response.read(_MOST_BYTES).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(_MOST_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError, HTTPException) as error:
            return 0, f"{type(error).__name__}: {error}"


def _other(text: str, version: str) -> str:
    """What is wrong with a response of status 200; "" for a slate that this version's model ranked."""
    try:
        (prediction,) = json.loads(text)["predictions"]
        answered, slate, fallback = prediction["model_version"], prediction["slate"], prediction.get("fallback", False)
    except (ValueError, KeyError, TypeError):
        return "a response that is not of this server"
    if answered != version:
        return f"a response of version {answered}"
    if not slate:
        return "an empty slate"
    return "a slate ranked by popularity: the version cannot read its store" if fallback else ""
