"""The log of a TrainJob's first node, whichever pod that is at the moment."""

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kserve import KServeClient

_CALL_SECONDS = 30  # the client ignores a float
_OVERLAP_SECONDS = 30
"""Seconds before the last reading that are read again: clocks differ. Lines that were printed are left out."""


class PodLog:
    """Prints new lines of the pod that has index 0, also of its successor after a pre-emption."""

    def __init__(self, client: "KServeClient", namespace: str, job: str) -> None:
        self._client, self._namespace = client, namespace
        self._selector = (
            f"jobset.sigs.k8s.io/jobset-name={job},jobset.sigs.k8s.io/replicatedjob-name=node,"
            "batch.kubernetes.io/job-completion-index=0"
        )
        self._pod, self._last, self._read = "", ("", ""), 0.0

    def relay(self) -> None:
        """Print what is new. A log that cannot be read is read later: the training does not depend on it."""
        from kubernetes.client import ApiException, CoreV1Api  # type: ignore[import-untyped]
        from urllib3.exceptions import HTTPError

        api = CoreV1Api(self._client.api_instance.api_client)
        try:
            pods = api.list_namespaced_pod(
                self._namespace, label_selector=self._selector, _request_timeout=_CALL_SECONDS
            ).items
            if not pods:
                return
            pod = max(pods, key=lambda one: str(one.metadata.creation_timestamp)).metadata.name
            if pod != self._pod:
                self._pod, self._last, self._read = pod, ("", ""), 0.0
            now = time.monotonic()
            since = {"since_seconds": math.ceil(now - self._read) + _OVERLAP_SECONDS} if self._read else {}
            text = api.read_namespaced_pod_log(
                pod, self._namespace, container="node", timestamps=True, _request_timeout=_CALL_SECONDS, **since
            )
        except (ApiException, HTTPError, OSError):
            return
        self._read = now
        for line in str(text).splitlines():
            moment, _, words = line.partition(" ")
            if (key := _key(moment)) > self._last:
                self._last = key
                print(words, flush=True)


def _key(moment: str) -> tuple[str, str]:
    """A moment as Kubernetes writes it, in an order: its fraction has no zeros at the end."""
    whole, _, fraction = moment.rstrip("Z").partition(".")
    return whole, fraction.ljust(9, "0")
