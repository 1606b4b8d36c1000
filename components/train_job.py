"""A training on several nodes as a TrainJob of Kubeflow Trainer: what its nodes have, and its manifest."""

from dataclasses import dataclass, field, fields
from typing import Any

TRAIN_JOBS = ("trainer.kubeflow.org", "v1alpha1", "trainjobs")
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
NODE = "node"
"""Name of the replicated job that trains, and of its container, in Kubeflow Trainer's own runtimes and in ours."""
USER = 1000
STORAGE_KEYS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
)  # fmt: skip
"""Keys of the secret that the nodes have where they exist: what object storage asks for."""


class TrainJobError(ValueError):
    """Raised where a TrainJob does not train; the message says what to do."""


@dataclass(frozen=True)
class Nodes:
    """What trains: the pipeline's parameter ``trainer``, written by ``python -m pipelines submit``."""

    runtime: str
    """Name of a ClusterTrainingRuntime for torch."""
    nodes: int
    image: str
    secret: str
    cpu: float
    memory: str
    scratch: str
    accelerator: str = "nvidia.com/gpu"
    accelerators: int = 0
    """GPUs of each node, a process each; 0: one process on CPUs."""
    shared_memory: str | None = None
    queue: str = ""
    """Kueue's local queue; empty: none."""
    namespace: str = ""
    """Empty: that of the step's pod."""
    service_account: str = ""
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, parameter: dict[str, Any]) -> "Nodes":
        """The nodes of a pipeline's parameter, whose numbers KFP may have made floats. Raises TrainJobError."""
        known = {one.name for one in fields(cls)}
        try:
            whole = {name: int(parameter[name]) for name in ("nodes", "accelerators")}
            found = cls(**{**parameter, **whole})
        except (KeyError, TypeError, ValueError) as error:
            raise TrainJobError(
                f"trainer: expected the keys {', '.join(sorted(known))}; found {error}: submit the pipeline again "
                "with --trainer-runtime"
            ) from None
        return found


def manifest(name: str, nodes: Nodes, namespace: str, address: str) -> dict[str, Any]:
    """The TrainJob of the job at an address (``models.training.node``), checked by Kubeflow Trainer's own models."""
    from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob

    labels = {QUEUE_LABEL: nodes.queue} if nodes.queue else {}
    group, version, _ = TRAIN_JOBS
    document = {
        "apiVersion": f"{group}/{version}",
        "kind": "TrainJob",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "runtimeRef": {"name": nodes.runtime},
            "trainer": _trainer(nodes, address),
            "runtimePatches": [{"manager": "heliograph", "trainingRuntimeSpec": _patched(_pod(nodes))}],
        },
    }
    checked = TrainerV1alpha1TrainJob.from_dict(document)
    assert checked is not None
    found: dict[str, Any] = checked.to_dict()
    return found


def _trainer(nodes: Nodes, address: str) -> dict[str, Any]:
    device = "cuda" if nodes.accelerators else "cpu"
    resources = {"cpu": f"{round(nodes.cpu * 1000)}m", "memory": nodes.memory}
    if nodes.accelerators:
        resources[nodes.accelerator] = str(nodes.accelerators)
    return {
        "image": nodes.image,
        # torchrun, which reads from PET_* what the runtime knows: nodes, this node's rank, the first node's address.
        "command": ["python", "-m", "torch.distributed.run", "-m", "models.training.node", address, device],
        "numNodes": nodes.nodes,
        "numProcPerNode": max(nodes.accelerators, 1),
        "resourcesPerNode": {"limits": resources, "requests": resources},
        "env": [
            {"name": key, "valueFrom": {"secretKeyRef": {"name": nodes.secret, "key": key, "optional": True}}}
            for key in STORAGE_KEYS
        ],
    }


def _pod(nodes: Nodes) -> dict[str, Any]:
    volumes = [{"name": "tmp", "emptyDir": {"sizeLimit": nodes.scratch}}]
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    if nodes.shared_memory is not None:
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": nodes.shared_memory}})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    account = {"serviceAccountName": nodes.service_account} if nodes.service_account else {}
    return {
        **account,
        "nodeSelector": nodes.node_selector,
        "tolerations": nodes.tolerations,
        "securityContext": {"runAsUser": USER, "runAsGroup": USER, "runAsNonRoot": True},
        "volumes": volumes,
        "containers": [{"name": NODE, "volumeMounts": mounts}],
    }


def _patched(pod: dict[str, Any]) -> dict[str, Any]:
    """The runtime's patch that gives the pods of ``NODE`` this spec."""
    job = {"name": NODE, "template": {"spec": {"template": {"spec": pod}}}}
    return {"template": {"spec": {"replicatedJobs": [job]}}}
