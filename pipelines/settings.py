"""What every task of a compiled pipeline gets on a cluster: its secret, and per component CPUs, memory, time, retries.

Compiled into the YAML, not parameters: KFP takes timeouts and retries at compile time only.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.documents import DocumentError, document_text
from models.yaml_documents import read_document
from pipelines.errors import SettingsError

Size = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,9}(M|Mi|G|Gi|T|Ti)$")]
"""Bytes as Kubernetes writes them: 16Gi."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class TaskSettings(BaseModel):
    """Limits of one component's tasks. A task requests what it may use at most."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    cpu: Annotated[float, Field(ge=0.1, le=512)] = 2
    """CPUs."""
    memory: Size = "4G"
    scratch: Size = "10G"
    """Size of /tmp, the one folder that a task may write besides KFP's own."""
    shared_memory: Size | None = None
    """Size of /dev/shm, part of ``memory``; None: the container engine's 64 MB."""
    timeout: Annotated[int, Field(ge=60, le=30 * 86_400)] = 3600
    """Seconds that an attempt may take, with the time that its pod waits for a node and an image."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """Further attempts after one that failed, whatever the reason: KFP does not look at errors."""
    gpu: bool = False
    """Whether it has one GPU of the pool and the image of the components that train: ``MAY_HAVE_GPU`` alone."""


MAY_HAVE_GPU = ("evaluate", "push-embeddings")
"""Components that use a GPU where they are given one. Those that train have what ``--accelerator-count`` says."""
_HEAVY: dict[str, Any] = {"cpu": 4, "memory": "16G", "scratch": "50G", "timeout": 4 * 3600}
_TRAINING: dict[str, Any] = {**_HEAVY, "shared_memory": "2G", "timeout": 2 * 86_400, "retries": 3}
DEFAULTS: Mapping[str, TaskSettings] = {
    name: TaskSettings(**settings)
    for name, settings in {
        # Retried: these wait for services, and repeat the same writes.
        "champion": {"retries": 2},
        "ingest": {**_HEAVY, "retries": 1},
        "materialize": {**_HEAVY, "retries": 2},
        "retrieve": {**_HEAVY, "retries": 1},
        "evaluate": {**_HEAVY, "retries": 1},
        "push-embeddings": {**_HEAVY, "retries": 2},
        "monitor": {"retries": 1},
        "report": {"retries": 2},
        "permission": {"retries": 2},
        # Retried: what they have begun is noted, and is gone on with.
        "decide": {"retries": 2},
        "roll-back": {"retries": 2},
        "recalibrate": {**_HEAVY, "retries": 1},
        # Retried: a pod that was lost leaves a version that nobody has made the champion.
        "deploy": {"retries": 1},
        # Retried: they go on at their checkpoint when a pod was pre-empted.
        "train": _TRAINING,
        "refit": _TRAINING,
        # Not retried: they compute from their inputs alone, and would fail again in the same way.
        "build-graph": _HEAVY,
        "fit-trees": _HEAVY,
        "home-domain": {},
        "compare": {},
        # Not retried: a verdict stands and must be registered once.
        "register": {},
    }.items()
}
"""By component, as KFP names it."""


@dataclass(frozen=True)
class ClusterSettings:
    """All settings that are compiled into a pipeline."""

    secret: str = "heliograph"
    """Name of the Kubernetes secret whose keys become environment variables."""
    tasks: Mapping[str, TaskSettings] = field(default_factory=lambda: DEFAULTS)
    train_jobs: bool = False
    """Whether `train` and `refit` train as TrainJobs, on other pods than their own."""

    def __post_init__(self) -> None:
        check_name("--secret", self.secret)


_CURRENT: ContextVar[ClusterSettings | None] = ContextVar("cluster settings", default=None)


@contextmanager
def compiled_with(settings: ClusterSettings) -> Iterator[None]:
    """Within this context, pipelines that are defined get ``settings``."""
    token = _CURRENT.set(settings)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> ClusterSettings:
    """The settings of the pipeline that is being defined; outside of ``compiled_with`` the defaults."""
    return _CURRENT.get() or ClusterSettings()


def read_settings(path: Path) -> dict[str, TaskSettings]:
    """Read a YAML file, component -> some of the fields of TaskSettings; the others keep their defaults.

    Returns the settings of all components. Raises SettingsError.
    """
    try:
        document = read_document(document_text(path, "settings of components in YAML"))
    except DocumentError as error:
        raise SettingsError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected a mapping such as train: {{memory: 32Gi}}; found {document!r:.80}")
    found = dict(DEFAULTS)
    for name, given in document.items():
        if name not in DEFAULTS:
            raise SettingsError(f"{path}: expected one of {', '.join(DEFAULTS)}; found {name!r:.80}")
        if not isinstance(given, dict):
            raise SettingsError(f"{path}: {name}: expected a mapping such as {{memory: 32Gi}}; found {given!r:.80}")
        try:
            found[name] = TaskSettings(**{**DEFAULTS[name].model_dump(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in (name, *first["loc"]))
            raise SettingsError(f"{path}: {place}: {first['msg']}; found {first['input']!r:.80}") from None
        if found[name].gpu and name not in MAY_HAVE_GPU:
            raise SettingsError(
                f"{path}: {name}.gpu: expected it of {' or '.join(MAY_HAVE_GPU)} alone; found true: leave it out "
                "(train and refit have the GPUs of --accelerator-count, other steps use none)"
            )
    return found


def check_name(option: str, text: str, label: bool = False) -> str:
    """Check and return a name of a Kubernetes object; ``label``: one that is a DNS label, as a namespace is.

    Raises SettingsError, which names the option.
    """
    if not (_LABEL if label else _NAME).fullmatch(text):
        raise SettingsError(
            f"{option}: expected the name of a Kubernetes object (lower-case letters, digits and -); found {text!r:.80}"
        )
    return text
