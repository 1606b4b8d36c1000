"""A rollback that is repeated after a kill, at any point, and then still is one rollback."""

from collections.abc import Mapping

from serving.deployment.errors import DeploymentError
from serving.deployment.rollout import Rollout
from serving.versions.registry import Registry


def roll_back_once(rollout: Rollout, registry: Registry, name: str, before: Mapping[str, str]) -> str:
    """Take the canary's share back, or without a canary the last promotion; return the version that serves no more.

    ``before``: the versions by role (champion, canary, previous) when it was decided. What an earlier call has done is
    completed, not repeated. Raises DeploymentError where other versions serve by now, and as ``Rollout.rollback``.
    """
    champion, canary, previous = before.get("champion"), before.get("canary"), before.get("previous")
    now = {"champion": registry.champion(name), "canary": registry.canary(name)}
    if canary is not None and now["champion"] != canary:
        return rollout.rollback() if now["canary"] == canary else canary
    if canary is None and now == {"champion": champion, "canary": None}:
        return rollout.rollback()
    if canary is None and champion is not None and previous is not None and now["champion"] == previous:
        registry.promote(name, previous)  # it may have been interrupted between its writes
        return champion
    raise DeploymentError(
        f"{name}: expected champion {champion} and canary {canary}, as when the rollback was decided; found champion "
        f"{now['champion']} and canary {now['canary']}. Look at it: python -m serving status"
    )
