"""What the cluster says of an endpoint's readiness: why it does not serve (yet) what was asked for.

An InferenceService's ``observedGeneration`` is no part of it. KServe copies it from the Deployment or the Knative
service that it makes, which have counters of their own (kserve/kserve issue 6081). And ``Ready`` stays True on the pods
from before a change (issue 4626), so that what KServe made has to be looked at: revisions, shares, the Deployment.
"""

from collections.abc import Mapping
from typing import Any

from serving.deployment.inference_service import CONTAINER

Status = Mapping[str, Any]


def unready(service: Status) -> str | None:
    """Why an InferenceService is not ready; None where it is, be it with pods from before a change."""
    status = service.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    false = [one for one in conditions.values() if one.get("status") != "True" and one.get("severity") != "Info"]
    said = [" ".join(f"{one['type']} {one.get('reason', '')} {one.get('message', '')}".split()) for one in false]
    failure = status.get("modelStatus", {}).get("lastFailureInfo", {}).get("message", "")
    return "; ".join([*said, *([failure] if failure else [])])[:400] or "no condition Ready"


def created_revision(service: Status) -> str:
    """Knative's newest revision of an InferenceService; "" where there is none."""
    return str(_predictor(service).get("latestCreatedRevision") or "")


def unready_revision(service: Status, before: str) -> str | None:
    """Why Knative's newest revision does not serve; ``before``: the one that it must not be, "" = any."""
    created, ready = created_revision(service), _predictor(service).get("latestReadyRevision")
    if before and created == before:
        return f"no new revision beside {before}"
    if (reason := unready(service)) is not None:
        return reason
    return None if created == ready else f"the revision {created} not ready"


def unshared(service: Status, percent: int) -> str | None:
    """Why the newest revision does not have its share of the traffic; None where it has."""
    newest, traffic = created_revision(service), _predictor(service).get("traffic") or []
    found = sum(one.get("percent") or 0 for one in traffic if one.get("revisionName") == newest)
    return None if found == percent else f"{found} % of the traffic at the revision {newest} instead of {percent} %"


def unrolled(deployment: Status | None, service: Status) -> str | None:
    """Why the pods of a Deployment are not (all) those of an InferenceService's manifest; None where they are."""
    if deployment is None:
        return "no Deployment"
    (wanted,) = service["spec"]["predictor"]["containers"]
    spec, status = deployment["spec"], deployment.get("status", {})
    container: Status = next((one for one in spec["template"]["spec"]["containers"] if one["name"] == CONTAINER), {})
    if container.get("image") != wanted["image"] or not _variables(wanted).items() <= _variables(container).items():
        return "a Deployment with the settings from before the change"
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 1):
        return "a Deployment whose change has not been seen"
    count, updated, pods, available = (
        int(found or 0)
        for found in (spec.get("replicas", 1), *map(status.get, ("updatedReplicas", "replicas", "availableReplicas")))
    )
    if updated >= count and pods <= updated <= available:
        return None
    new = min(updated, max(available - (pods - updated), 0))
    return f"{new} of {count} new pods ready, and {max(pods - updated, 0)} from before the change"


def _variables(container: Status) -> dict[str, str]:
    """Variables with a literal value; Kubernetes leaves out an empty one."""
    return {one["name"]: one.get("value", "") for one in container.get("env", []) if "valueFrom" not in one}


def _predictor(service: Status) -> Status:
    found: Status = service.get("status", {}).get("components", {}).get("predictor", {})
    return found
