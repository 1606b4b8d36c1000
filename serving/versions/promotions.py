"""Which versions were promoted, and in which order: tags of the registered versions.

Every promotion has a number. A version that serves again, since a later one was taken back, keeps its place before the
others; the one that was taken back has no number any more and counts as never promoted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROMOTED = "heliograph.promoted"
"""The tag that numbers the promotions."""
BEST = "heliograph.best"
"""The tag that says which version was the best so far when the gate judged this one; none = this one."""


def record_promotion(
    client: "MlflowClient", name: str, versions: Sequence[Any], champion: str | None, version: str
) -> None:
    """Number the promotion of ``version``, which takes the place of ``champion``, among all ``versions`` of a model."""
    if champion == version:
        return
    numbers = {str(found.version): promotion(found) for found in versions}
    following = 1 + max(numbers.values())
    if champion in numbers and numbers[version]:
        client.delete_model_version_tag(name, champion, PROMOTED)
    elif champion in numbers and not numbers[champion]:  # promoted by an older release, or cut off before this
        client.set_model_version_tag(name, champion, PROMOTED, str(following))
    client.set_model_version_tag(name, version, PROMOTED, str(following + 1))


def newest_first(versions: Sequence[Any]) -> list[str]:
    """The versions that were promoted and not taken back, the last promotion first."""
    ordered = sorted(versions, key=lambda found: (-promotion(found), -int(found.version)))
    return [str(found.version) for found in ordered if promotion(found)]


def promotion(version: Any) -> int:
    """The number of a version's promotion; 0 = never promoted, or taken back."""
    number = version.tags.get(PROMOTED, "0")
    return int(number) if number.isdecimal() else 0
