"""A compiled pipeline: its tasks, components and executors, and what kfp-kubernetes sets on their pods."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_QUANTITY = re.compile(r"([\d.]+)([A-Za-z]*)")
_UNITS = {"": 1, "m": 1e-3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class CompiledError(ValueError):
    """Raised for a pipeline that uses what this runner does not know."""


@dataclass(frozen=True)
class Compiled:
    """The two documents of a compiled pipeline: pipeline spec and platform spec."""

    pipeline: Mapping[str, Any]
    platform: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.pipeline["pipelineInfo"]["name"])

    def component(self, name: str) -> Mapping[str, Any]:
        """A component's definition."""
        found: Mapping[str, Any] = self.pipeline["components"][name]
        return found

    def executor(self, label: str) -> Mapping[str, Any]:
        """An executor: ``container`` or ``importer``."""
        found: Mapping[str, Any] = self.pipeline["deploymentSpec"]["executors"][label]
        return found

    def settings(self, label: str) -> Mapping[str, Any]:
        """What kfp-kubernetes sets on an executor's pod; empty where it sets nothing."""
        executors = self.platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {})
        found: Mapping[str, Any] = executors.get("executors", {}).get(label, {})
        return found


@dataclass(frozen=True)
class Pod:
    """One task's pod, as its executor and platform settings describe it."""

    image: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Literal environment variables."""
    secrets: tuple[tuple[str, str, str, bool], ...] = ()
    """(secret, key, environment variable, whether it may be missing)."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """By environment variable: the field of the pod that it takes its value from."""
    volumes: tuple[str, ...] = ()
    """Paths at which an empty writable folder is mounted."""
    user: int | None = None
    group: int | None = None
    memory: int | None = None
    """Bytes."""
    cpus: float | None = None
    seconds: float | None = None
    """How long it may run."""


def pod(compiled: Compiled, label: str, inputs: Mapping[str, Any]) -> Pod:
    """Build the pod of an executor; ``inputs``: the task's parameters, which settings may name.

    Raises CompiledError for a setting that is not known here: a rehearsal that leaves one out would prove nothing.
    """
    container, settings = compiled.executor(label)["container"], dict(compiled.settings(label))
    resources, context = container.get("resources", {}), settings.pop("securityContext", {})
    secrets = [
        (_named(one, "secretName", inputs), pair["secretKey"], pair["envVar"], bool(one.get("optional")))
        for one in settings.pop("secretAsEnv", [])
        for pair in one["keyToEnv"]
    ]
    fields = {one["name"]: one["fieldPath"] for one in settings.pop("fieldPathAsEnv", [])}
    volumes = tuple(one["mountPath"] for one in settings.pop("emptyDirMounts", []))
    seconds = settings.pop("activeDeadlineSeconds", None)
    for scheduling in ("nodeSelector", "tolerations", "nodeAffinity", "podMetadata", "imagePullPolicy"):
        settings.pop(scheduling, None)
    if settings:
        raise CompiledError(f"{label}: expected known settings of a pod; found {', '.join(sorted(settings))}")
    limits = {
        key: _resolved(str(resources.get(key, "")), inputs) for key in ("resourceMemoryLimit", "resourceCpuLimit")
    }
    return Pod(
        image=_resolved(container["image"], inputs),
        command=(*container.get("command", []), *container.get("args", [])),
        variables={one["name"]: _resolved(one.get("value", ""), inputs) for one in container.get("env", [])},
        secrets=tuple(secrets),
        fields=fields,
        volumes=volumes,
        user=_integer(context.get("runAsUser")),
        group=_integer(context.get("runAsGroup")),
        memory=int(quantity(limits["resourceMemoryLimit"])) if limits["resourceMemoryLimit"] else None,
        cpus=quantity(limits["resourceCpuLimit"]) if limits["resourceCpuLimit"] else None,
        seconds=None if seconds is None else float(seconds),
    )


def quantity(text: str) -> float:
    """Parse a Kubernetes quantity such as ``500m`` or ``16Gi``. Raises CompiledError."""
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        raise CompiledError(f"expected a quantity such as 500m or 16Gi; found {text!r}")
    return float(found[1]) * _UNITS[found[2]]


def environment(described: Pod, secrets: Mapping[str, Mapping[str, str]], of_pod: Mapping[str, str]) -> dict[str, str]:
    """The pod's environment. ``secrets``: by name and key; ``of_pod``: the pod's fields by path.

    Raises CompiledError for a secret, key or field that is not there: such a pod never starts on a cluster.
    """
    values = dict(described.variables)
    for secret, key, variable, optional in described.secrets:
        if key in secrets.get(secret, {}):
            values[variable] = secrets[secret][key]
        elif not optional:
            raise CompiledError(f"{variable}: expected the key {key} in the secret {secret}; found none")
    for variable, path in described.fields.items():
        if path not in of_pod:
            raise CompiledError(f"{variable}: expected a field of the pod ({', '.join(of_pod)}); found {path}")
        values[variable] = of_pod[path]
    return values


def _named(settings: Mapping[str, Any], key: str, inputs: Mapping[str, Any]) -> str:
    """A name that is a literal, or a parameter beside it."""
    given = settings.get(f"{key}Parameter", {})
    if "componentInputParameter" in given:
        return str(inputs[given["componentInputParameter"]])
    return str(given.get("runtimeValue", {}).get("constant") or settings[key])


def _resolved(text: str, inputs: Mapping[str, Any]) -> str:
    """Replace the parameters that a setting names."""
    pattern = r"\{\{\$\.inputs\.parameters\[(?:'|\")(.+?)(?:'|\")\]\}\}"
    return re.sub(pattern, lambda found: str(inputs[found[1]]), text)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
