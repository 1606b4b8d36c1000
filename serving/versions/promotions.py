"""Promotions of a model: its aliases, and the history as tags of its registered versions.

Every promotion gets the next number. A rollback gives the version that serves again a new number and removes that of
the version that was rolled back, which then counts as never promoted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serving.versions.mlflow_records import alias_of, drop_alias

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CANARY, PREVIOUS, CANDIDATE = "champion", "canary", "previous", "candidate"
"""Aliases."""
PROMOTED = "heliograph.promoted"
"""Tag: the number of the version's promotion."""
BEST = "heliograph.best"
"""Tag: the best version so far when the gate judged this one; absent = this one."""


def promote(client: "MlflowClient", name: str, versions: Sequence[Any], version: str) -> None:
    """Make ``version`` the champion. ``versions``: MLflow's records of all versions of the model.

    An interruption leaves every version that may serve with an alias: ``previous`` is set first and removed last.
    """
    champion, previous = (alias_of(client, name, alias) for alias in (CHAMPION, PREVIOUS))
    back = version == previous or any(promotion(one) for one in versions if str(one.version) == version)
    if champion not in (None, version) and not back:
        client.set_registered_model_alias(name, PREVIOUS, champion)
    client.set_registered_model_alias(name, CHAMPION, version)
    for alias in (CANDIDATE, CANARY):
        drop_alias(client, name, alias, version)
    if previous is not None and back and champion != version:
        drop_alias(client, name, PREVIOUS, previous)
    record_promotion(client, name, versions, champion, version)


def record_promotion(
    client: "MlflowClient", name: str, versions: Sequence[Any], champion: str | None, version: str
) -> None:
    """Record that ``version`` replaces ``champion``. ``versions``: MLflow's records of all versions of the model."""
    if champion == version:
        return
    numbers = {str(found.version): promotion(found) for found in versions}
    following = 1 + max(numbers.values())
    if champion in numbers and numbers[version]:
        client.delete_model_version_tag(name, champion, PROMOTED)
    elif champion in numbers and not numbers[champion]:  # promoted by an older release, or interrupted before this line
        client.set_model_version_tag(name, champion, PROMOTED, str(following))
    client.set_model_version_tag(name, version, PROMOTED, str(following + 1))


def newest_first(versions: Sequence[Any]) -> list[str]:
    """The versions that were promoted and not rolled back, newest promotion first."""
    ordered = sorted(versions, key=lambda found: (-promotion(found), -int(found.version)))
    return [str(found.version) for found in ordered if promotion(found)]


def promotion(version: Any) -> int:
    """The number of a version's promotion; 0 = never promoted, or rolled back."""
    number = version.tags.get(PROMOTED, "0")
    return int(number) if number.isdecimal() else 0
