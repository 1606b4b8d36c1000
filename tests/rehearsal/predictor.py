"""A predictor's container, as an InferenceService describes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.rehearsal.compiled import quantity
from tests.rehearsal.engine import Container, Mount


class PredictorError(ValueError):
    """Raised for a predictor that a cluster would not start."""


def predictor(
    name: str, spec: Mapping[str, Any], folder: Path, secrets: Mapping[str, Mapping[str, str]], ports: tuple[int, int]
) -> Container:
    """Build the container of ``spec.predictor``; ``ports``: HTTP and gRPC, on the network of this machine.

    Raises PredictorError for a Secret that is not there, and for a container that would run as root, with
    capabilities or on a root file system that it can write to.
    """
    (container,) = spec["containers"]
    context = container.get("securityContext", {})
    demanded = {"readOnlyRootFilesystem": True, "runAsNonRoot": True, "allowPrivilegeEscalation": False}
    lacking = [key for key, value in demanded.items() if context.get(key) is not value]
    if lacking or context.get("capabilities", {}).get("drop") != ["ALL"]:
        raise PredictorError(f"{name}: expected a restricted security context; found {context}")
    empty = {one["name"] for one in spec.get("volumes", []) if "emptyDir" in one}
    mounts = [
        Mount(_volume(folder / one["name"]), one["mountPath"], False)
        for one in container.get("volumeMounts", [])
        if one["name"] in empty
    ]
    limits = container.get("resources", {}).get("limits", {})
    return Container(
        name=name,
        image=container["image"],
        command=[*container.get("command", []), *container.get("args", [])],
        environment=_environment(container, secrets) | _at(ports),
        mounts=mounts,
        user=context.get("runAsUser"),
        group=context.get("runAsGroup"),
        memory=int(quantity(str(limits["memory"]))),
        cpus=quantity(str(limits["cpu"])),
    )


def _environment(container: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for one in container.get("envFrom", []):
        secret = one["secretRef"]["name"]
        if secret not in secrets:
            raise PredictorError(f"expected the Secret {secret}; found none")
        values |= secrets[secret]
    for one in container.get("env", []):
        if "valueFrom" in one:
            source = one["valueFrom"]["secretKeyRef"]
            if source["key"] in secrets.get(source["name"], {}):
                values[one["name"]] = secrets[source["name"]][source["key"]]
            elif not source.get("optional"):
                raise PredictorError(f"{one['name']}: expected {source['key']} in the Secret {source['name']}")
        else:
            values[one["name"]] = one.get("value", "")
    return values


def _at(ports: tuple[int, int]) -> dict[str, str]:
    """The pods of a cluster have an address each; here they share one, so each gets ports of its own."""
    return {"PORT": str(ports[0]), "HELIOGRAPH_GRPC_PORT": str(ports[1]), "HELIOGRAPH_HOST": "127.0.0.1"}


def _volume(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    return folder
