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

    After an interruption between any two writes a repetition completes it, every version that may serve has an alias,
    and none counts as promoted that was not the champion: a version's number follows its alias, and the number of a
    version that is rolled back goes before.
    """
    champion, previous = (alias_of(client, name, alias) for alias in (CHAMPION, PREVIOUS))
    numbers = {str(found.version): promotion(found) for found in versions}
    back = version == previous or numbers[version] > 0
    if champion in numbers and champion != version:
        if back:
            client.delete_model_version_tag(name, champion, PROMOTED)
            del numbers[champion]
        elif not numbers[champion]:  # promoted by an older release, or interrupted before its number
            numbers[champion] = 1 + max(numbers.values())
            client.set_model_version_tag(name, champion, PROMOTED, str(numbers[champion]))
        if not back:
            client.set_registered_model_alias(name, PREVIOUS, champion)
        elif previous not in (None, version):
            drop_alias(client, name, PREVIOUS, previous)
    client.set_registered_model_alias(name, CHAMPION, version)
    newest = max(numbers.values())
    if not numbers[version] or numbers[version] < newest:
        client.set_model_version_tag(name, version, PROMOTED, str(newest + 1))
    for alias in (CANDIDATE, CANARY, PREVIOUS):
        drop_alias(client, name, alias, version)


def newest_first(versions: Sequence[Any]) -> list[str]:
    """The versions that were promoted and not rolled back, newest promotion first."""
    ordered = sorted(versions, key=lambda found: (-promotion(found), -int(found.version)))
    return [str(found.version) for found in ordered if promotion(found)]


def promotion(version: Any) -> int:
    """The number of a version's promotion; 0 = never promoted, or rolled back."""
    number = version.tags.get(PROMOTED, "0")
    return int(number) if number.isdecimal() else 0
