"""Registered versions that nothing needs any more: which they are, and their removal.

A version goes first, its bundle then, and last the MLflow run that held the bundle: nothing ever names a bundle that is
gone. The run is tagged before, so that a second call finishes what a kill interrupted.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.clock import now
from models.run_artifacts import PRUNED, artifact_bytes, remove_artifacts
from models.time_units import DAY
from serving.versions.mlflow_records import DIGEST, aliases_of, open_client, version_records
from serving.versions.promotions import BEST, CHAMPION
from serving.versions.registry_pages import all_results

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RUN = "heliograph.run"
"""Tag of ledgers (``monitoring.ledger``), which are no bundles."""


@dataclass(frozen=True)
class OldVersion:
    """A version to remove, or, without a number, the bundle of one that is not registered (any more)."""

    version: str
    run_id: str
    size: int
    """In bytes."""


class OldVersions:
    """The versions of one model that may go: all but those with an alias, the best one, ``kept``, and the newest."""

    def __init__(
        self, tracking_uri: str, name: str, keep: int, kept: Collection[str], running: Collection[str] = ()
    ) -> None:
        """``keep``: how many of the newest versions stay besides; ``kept``: versions that stay in any case.

        ``running``: names of pipeline runs whose versions stay, too: they may read them, or promote them.
        """
        self._client, self._tracking_uri, self._name = open_client(tracking_uri), tracking_uri, name
        self._keep, self._kept, self._running = keep, set(kept), frozenset(running)

    def find(self) -> list[OldVersion]:
        """The versions that may go, oldest first. Versions that we did not register stay."""
        client, named = self._client, self._named()
        records = sorted(version_records(client, self._name), key=lambda one: -int(one.version))
        ended = [one for one in records if one.tags.get("run") not in self._running]
        free = [one for one in ended if str(one.version) not in named and DIGEST in one.tags][self._keep :]
        return [OldVersion(str(one.version), one.run_id, artifact_bytes(client, one.run_id)) for one in reversed(free)]

    def stay(self, going: Collection[OldVersion]) -> dict[str, str]:
        """The versions that stay, with the name of the pipeline run that made them ("" = unknown)."""
        gone = {one.version for one in going}
        records = version_records(self._client, self._name)
        return {str(one.version): one.tags.get("run", "") for one in records if str(one.version) not in gone}

    def bundles(self, experiment: str, before: int) -> list[OldVersion]:
        """Bundles that no version names: of versions that were removed, and of registrations that were interrupted.

        The latter only if their run began before that time, microseconds UTC.
        """
        client = self._client
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return []
        ids, condition = [found.experiment_id], f"tags.`{DIGEST}` != ''"
        runs = all_results(lambda page: client.search_runs(ids, condition, page_token=page))
        named = self._referenced()
        free = [one for one in runs if one.info.run_id not in named and _RUN not in one.data.tags]
        limit = min(before, now() - DAY) // 1000
        old = [one for one in free if PRUNED in one.data.tags or one.info.start_time < limit]
        return [OldVersion("", one.info.run_id, artifact_bytes(client, one.info.run_id)) for one in old]

    def remove(self, old: OldVersion) -> bool:
        """Remove a version with its bundle, or a bundle; False if an alias names the version now, and it stays."""
        client = self._client
        if old.version:
            if old.version in self._named():
                return False
            if old.run_id:
                client.set_tag(old.run_id, PRUNED, f"{self._name} version {old.version}")
            client.delete_model_version(self._name, old.version)
        if old.run_id and old.run_id not in self._referenced():
            remove_artifacts(client, old.run_id, self._tracking_uri)
            client.delete_run(old.run_id)
        return True

    def _named(self) -> set[str]:
        """The versions that something names: an alias, the champion's verdict, or whoever made this object."""
        aliases = aliases_of(self._client, self._name)
        named = {*aliases.values(), *self._kept}
        if CHAMPION in aliases:
            champion = self._client.get_model_version(self._name, aliases[CHAMPION])
            named.add(champion.tags.get(BEST, aliases[CHAMPION]))
        return named

    def _referenced(self) -> set[str]:
        """The runs whose artifacts a version of any model names."""
        return {one.run_id for one in _all_versions(self._client)}


def _all_versions(client: "MlflowClient") -> list[Any]:
    return all_results(lambda page: client.search_model_versions(page_token=page))
