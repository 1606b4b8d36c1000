"""Where the deploy step serves a version, and what its vectors know."""

from pathlib import Path
from typing import TYPE_CHECKING

from components.services import CLUSTER
from components.step import Step
from models.storage import is_remote

if TYPE_CHECKING:
    from serving.deployment.rollout import Target
    from serving.versions.registry import Registry


def all_visible(step: Step, version: str) -> int:
    """A time (microseconds UTC) at which everything online is visible. Raises PushError without its vectors."""
    from feature_repo.quality import last_seen
    from feature_repo.slots import check_pushed, pushed_until

    notes = step.open_notes()
    check_pushed(notes, version)
    return max(pushed_until(notes, version), last_seen(notes)) + 1


def open_target(
    step: Step, name: str, registry: "Registry", training_set: Path | None = None, time: int = 0
) -> "Target":
    """The target of the run's services: an endpoint on this machine, or the cluster that this pod runs in.

    On a cluster a version serves only after it has answered the training set's last impression, as of ``time``
    (microseconds UTC); without a training set, a request made of its bundle. Raises DeploymentError for settings that
    are not valid.
    """
    if step.services.target == CLUSTER:
        from serving.deployment.cluster import open_cluster
        from serving.deployment.cluster_settings import deployment_of
        from serving.deployment.example import example_instance

        log = str(step.services.served)
        settings = {**({"served": log} if is_remote(log) else {}), **step.services.endpoint}
        deployment = deployment_of(name, "", step.services.tracking_uri, settings)
        if training_set is None:
            return open_cluster(deployment, registry)
        document = {"instances": [example_instance(step.spec, training_set, time)]}
        return open_cluster(deployment, registry, lambda _: document)
    from feature_repo.store import write_resolved
    from serving.deployment.embedded import Embedded

    resolved = write_resolved(Path(step.services.feature_store), step.services.folder, step.open_notes().project)
    return Embedded(step.services.folder, registry, name, store_config=resolved)
