"""Cluster settings of a task: limits, retries, secrets, mounts, user, caching, GPU pool. kfp.local ignores most."""

from dataclasses import dataclass
from typing import Any

from kfp import dsl
from kfp.dsl import PipelineTask

from components.image import TRAIN_IMAGE
from components.services import RUN
from pipelines.settings import TaskSettings, current

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(8 << 30)}
"""By default glibc returns large blocks to the system at once; training on a CPU allocates the same at every step."""
_READS_ALL_DATA = (
    "ingest", "materialize", "retrieve", "build-graph", "train", "fit-trees", "evaluate", "refit",
    "push-embeddings", "recalibrate",
)  # fmt: skip
USER = GROUP = 1000
"""The user of the images, and the group of the files that it writes."""
RUN_LABEL = "metadata.labels['pipeline/runid']"
"""Where KFP's API server writes a run's id: on every pod of the run, that of a retry and of the exit handler too."""

REQUIRED = ("FEAST_REGISTRY", "FEAST_REDIS")
"""Keys that the secret must have (``feature_store.cluster.yaml``): where definitions, online rows and leases are."""
OPTIONAL = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    "HELIOGRAPH_VERIFY_KEY",
)  # fmt: skip
"""Keys of the secret that every step has where they exist."""
_SIGNS, _CALLS = ("HELIOGRAPH_SIGNING_KEY",), ("HELIOGRAPH_TOKEN",)
OWN = {"register": _SIGNS, "recalibrate": _SIGNS, "deploy": _CALLS, "roll-back": _CALLS}
"""Keys of the secret that these steps alone have where they exist."""


def imported(spec: Any) -> Any:
    """Import the spec at an address as an artifact; its name is its digest, so a second import reuses the first."""
    task = dsl.importer(artifact_uri=spec, artifact_class=dsl.Artifact, reimport=False)
    return task.set_display_name("spec").output


def configured(task: PipelineTask, cached: bool = False) -> PipelineTask:
    """Give a task the settings of its component.

    ``cached``: KFP may take its outputs from an earlier run. Only for a task that reads and changes nothing besides its
    artifacts, and gets a digest of them as a parameter (``components.digests``).
    """
    name, settings = task.component_spec.name, current()
    if name in _READS_ALL_DATA:
        for variable, value in KEEP_MEMORY.items():
            task.set_env_variable(variable, value)
    _limits(task, settings.tasks[name])
    _pod(task, name, settings.secret, settings.tasks[name])
    return task.set_caching_options(cached)


@dataclass(frozen=True)
class GpuPool:
    """The GPU pool that the pipeline's parameters of these names describe."""

    accelerator: Any
    node_selector: Any
    tolerations: Any

    def trains(self, task: PipelineTask, count: Any) -> PipelineTask:
        """Run a task that trains on ``count`` GPUs of the pool; the pod of one that trains elsewhere needs none."""
        return task if current().train_jobs else self._on(task, count)

    def may_run(self, task: PipelineTask) -> PipelineTask:
        """Run a task on one GPU of the pool, in the image that has CUDA, if its setting ``gpu`` says so."""
        if not current().tasks[task.component_spec.name].gpu:
            return task
        return self._on(task.set_container_image(TRAIN_IMAGE), "1")

    def _on(self, task: PipelineTask, count: Any) -> PipelineTask:
        from kfp import kubernetes

        task.set_accelerator_type(self.accelerator).set_accelerator_limit(count)
        # Otherwise kfp 2.17 compiles an accelerator parameter outside a sub-DAG into a dangling reference.
        task.register_pipeline_channels([one for one in (self.accelerator, count) if not isinstance(one, str)])
        kubernetes.add_node_selector_json(task, self.node_selector)
        kubernetes.add_toleration_json(task, self.tolerations)
        return task


def _limits(task: PipelineTask, settings: TaskSettings) -> None:
    cpu = f"{round(settings.cpu * 1000)}m"
    task.set_cpu_request(cpu).set_cpu_limit(cpu)
    task.set_memory_request(settings.memory).set_memory_limit(settings.memory)
    if settings.retries:
        task.set_retry(settings.retries, backoff_duration="10s", backoff_factor=3, backoff_max_duration="300s")


def _pod(task: PipelineTask, name: str, secret: str, settings: TaskSettings) -> None:
    """Environment, mounts, user and time limit of the task's pod.

    KFP itself mounts the folders of artifacts and of its launcher (/s3, /gcs, /minio, /kfp-launcher ...).
    """
    from kfp import kubernetes

    kubernetes.use_field_path_as_env(task, RUN, RUN_LABEL)
    kubernetes.empty_dir_mount(task, "tmp", "/tmp", size_limit=settings.scratch)
    if settings.shared_memory is not None:
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", settings.shared_memory)
    kubernetes.set_security_context(task, run_as_user=USER, run_as_group=GROUP, run_as_non_root=True)
    kubernetes.set_timeout(task, settings.timeout)
    # Last, since each of these calls parses what the earlier ones wrote.
    kubernetes.use_secret_as_env(task, secret, {key: key for key in REQUIRED})
    keys = OPTIONAL + OWN.get(name, ())
    kubernetes.use_secret_as_env(task, secret, {key: key for key in keys}, optional=True)
