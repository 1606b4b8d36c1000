"""Registry of model versions in MLflow. A version is created only after all of its artifacts are stored.

Aliases: ``candidate`` is the newest registered version, until it is promoted; ``champion`` is the version that serves;
``canary`` has a share of its traffic; ``previous`` is the champion before, for a rollback. Tags record which versions
were promoted, in which order, and the best version when each one was judged.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models.files import replaced_folder
from models.served import model_name
from serving.errors import RegistryError
from serving.versions.artifacts import fetch_artifacts, through_mlflow
from serving.versions.bundle import SIGNATURE, read_bundle
from serving.versions.mlflow_records import (
    DIGEST,
    alias_of,
    aliases_of,
    drop_alias,
    ensure_model,
    experiment_id,
    open_client,
    version_record,
    version_records,
)
from serving.versions.promotions import BEST, CANARY, CANDIDATE, CHAMPION, PREVIOUS, newest_first, promote
from serving.versions.registry_pages import all_results
from serving.versions.signing import SIGNING_KEY, check_signature, signature, signing_key, verify_key

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "ACTION",
    "BEST",
    "CANARY",
    "CANDIDATE",
    "CHAMPION",
    "DIGEST",
    "GATE",
    "PREVIOUS",
    "WINDOWS",
    "Registry",
    "model_name",
]

GATE = "gate"
"""Tag: the gate's decision; the full verdict is in the bundle."""
WINDOWS = "heliograph.windows"
"""Tag: first and last day of the windows that the version was trained and judged on."""
ACTION = "heliograph.action"
"""Tag: the action on a verdict that made the version; one action makes one."""
SIGNED = "heliograph.signature"
"""Tag: the version's signature (``serving.versions.signing``)."""
_ARTIFACTS = "bundle"


class Registry:
    """Versions of models at a tracking URI: an MLflow server, or a database (``models.addresses.sqlite_address``)."""

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri

    def log_version(self, name: str, folder: Path, tags: Mapping[str, str] | None = None) -> str:
        """Register the bundle in ``folder`` as a new version of ``name``; return its number. Raises RegistryError.

        A kill at any moment leaves no half-written version: first the artifacts are logged to a run, then the version
        with its digest is created in one transaction, and last the alias ``candidate`` moves. The version is signed if
        the environment has a key. Where a version has the tag ``ACTION`` with the same value, that is returned: the
        action was killed after it had registered it.
        """
        if tags and ACTION in tags and (before := self.tagged(name, ACTION, tags[ACTION])) is not None:
            return before
        bundle = read_bundle(folder)
        digest = bundle.digest
        signing_key()  # fail on an invalid key before anything is written
        client = self._client()
        run = client.create_run(
            experiment_id(client, self.tracking_uri, bundle.spec.name),
            tags={DIGEST: digest},
            run_name=f"bundle of {name}",
        )
        try:
            with through_mlflow(name, run.info.artifact_uri):
                client.log_artifacts(run.info.run_id, str(folder), _ARTIFACTS)
        except BaseException:
            client.set_terminated(run.info.run_id, status="FAILED")
            raise
        client.set_terminated(run.info.run_id)
        ensure_model(client, name)
        version = client.create_model_version(
            name,
            source=f"{run.info.artifact_uri}/{_ARTIFACTS}",
            run_id=run.info.run_id,
            tags={**(tags or {}), DIGEST: digest},
        )
        signed = signature(name, str(version.version), digest)
        if signed is not None:
            client.set_model_version_tag(name, version.version, SIGNED, signed)
        client.set_registered_model_alias(name, CANDIDATE, version.version)
        return str(version.version)

    def promote(self, name: str, version: str) -> None:
        """Make a version the champion, and no longer candidate or canary. Raises RegistryError for an unknown version.

        The champion so far becomes ``previous``. If the version was promoted before, this is a rollback: the champion
        so far no longer counts as promoted, and there is no previous version any more.
        """
        client = self._client()
        version_record(client, name, version)
        promote(client, name, version_records(client, name), version)

    def start_canary(self, name: str, version: str) -> None:
        """Make a version the canary, so that its vectors are kept. Raises RegistryError for an unknown version."""
        client = self._client()
        version_record(client, name, version)
        client.set_registered_model_alias(name, CANARY, version)

    def end_canary(self, name: str, version: str) -> None:
        """Take the alias from a canary that serves no more; nothing if another version, or none, has it."""
        drop_alias(self._client(), name, CANARY, version)

    def promoted(self, name: str, most: int) -> list[str]:
        """Up to ``most`` promoted versions for a candidate to be compared with.

        Order: the champion, the best version so far, then the others by promotion, newest first. Versions that were
        rolled back are not included.
        """
        champion = self.champion(name)
        if champion is None:
            return []
        latest = newest_first(version_records(self._client(), name))
        wanted = [champion, *(version for version in [self.best(name)] if version in latest), *latest]
        return list(dict.fromkeys(wanted))[:most]

    def best(self, name: str) -> str | None:
        """The best version so far according to the champion's verdict; None without a champion."""
        champion = self.champion(name)
        return None if champion is None else self.tags(name, champion).get(BEST, champion)

    def champion(self, name: str) -> str | None:
        """The champion's version, or None."""
        return alias_of(self._client(), name, CHAMPION)

    def require_champion(self, name: str) -> str:
        """The champion's version. Raises RegistryError, with the next step, where there is none."""
        version = self.champion(name)
        if version is None:
            raise RegistryError(
                f"{name}: expected a champion; found none. Run the training pipeline until its gate passes."
            )
        return version

    def candidate(self, name: str) -> str | None:
        """The newest version that is not promoted, or None."""
        return alias_of(self._client(), name, CANDIDATE)

    def canary(self, name: str) -> str | None:
        """The version that has a share of the traffic next to the champion, or None."""
        return alias_of(self._client(), name, CANARY)

    def previous(self, name: str) -> str | None:
        """The champion before this one, to which a rollback returns; None after a rollback."""
        client = self._client()
        found = alias_of(client, name, PREVIOUS)
        return None if found == alias_of(client, name, CHAMPION) else found

    def serving(self, name: str) -> set[str]:
        """The versions that serve or may have to: champion, canary and previous. Their vectors must be kept."""
        aliases = aliases_of(self._client(), name)  # at one moment: a promotion moves them one after the other
        return {aliases[alias] for alias in (CHAMPION, CANARY, PREVIOUS) if alias in aliases}

    def names(self) -> list[str]:
        """The registered models, sorted."""
        client = self._client()
        return sorted(
            model.name for model in all_results(lambda page: client.search_registered_models(page_token=page))
        )

    def versions(self, name: str) -> list[str]:
        """The versions of a model, oldest first; empty for an unknown model."""
        return [
            str(number) for number in sorted(int(version.version) for version in version_records(self._client(), name))
        ]

    def decisions(self, name: str) -> dict[str, str]:
        """The gate's decision by version, newest first; "" where the version was not judged."""
        newest = sorted(version_records(self._client(), name), key=lambda version: int(version.version), reverse=True)
        return {str(version.version): version.tags.get(GATE, "") for version in newest}

    def tags(self, name: str, version: str) -> dict[str, str]:
        """The tags of a version."""
        return dict(version_record(self._client(), name, version).tags)

    def tagged(self, name: str, key: str, value: str) -> str | None:
        """The oldest version with this value of a tag; None without one."""
        found = [int(one.version) for one in version_records(self._client(), name) if one.tags.get(key) == value]
        return str(min(found)) if found else None

    def tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version. Raises RegistryError for an unknown version."""
        client = self._client()
        version_record(client, name, version)
        client.set_model_version_tag(name, version, key, value)

    def digest(self, name: str, version: str) -> str:
        """The digest of a version's bundle. Raises RegistryError."""
        return str(version_record(self._client(), name, version).tags[DIGEST])

    def sign(self, name: str, version: str) -> str:
        """Fetch and verify a registered version, then sign it; return its digest.

        Raises RegistryError, also where the environment has no key.
        """
        if signing_key() is None:
            raise RegistryError(f"{SIGNING_KEY}: expected the key to sign with in the environment; found none. Set it.")
        client = self._client()
        digest = str(version_record(client, name, version).tags[DIGEST])
        with tempfile.TemporaryDirectory() as scratch:
            self._fetch(client, name, version, digest, Path(scratch) / "bundle")
        client.set_model_version_tag(name, version, SIGNED, signature(name, version, digest))
        return digest

    def download(self, name: str, version: str, folder: Path, digest: str = "") -> Path:
        """Fetch and verify a version's bundle; return ``folder``. A bundle already there and intact is kept.

        ``digest``: the expected digest, "" = the registry's. If ``folder`` already holds a bundle with that digest, the
        registry is not contacted. Raises RegistryError for an unknown version, a digest that differs, or a missing or
        invalid signature.
        """
        if digest and _intact(name, version, folder, digest):
            return folder
        client = self._client()
        tags = version_record(client, name, version).tags
        expected, signed = tags[DIGEST], tags.get(SIGNED, "")
        if digest not in ("", expected):
            raise RegistryError(
                f"{name} version {version}: expected digest {digest[:12]}..., as it was deployed; found "
                f"{expected[:12]}... in the registry. Deploy it again, or find out who changed it."
            )
        check_signature(name, version, expected, signed, verify_key())
        if not _intact(name, version, folder, expected):
            self._fetch(client, name, version, expected, folder, signed)
        return folder

    def _fetch(
        self, client: "MlflowClient", name: str, version: str, expected: str, folder: Path, signed: str = ""
    ) -> None:
        """Fetch a version's artifacts, verify them, then replace ``folder`` with them and the signature."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True
        ) as draft:
            uri = client.get_model_version_download_uri(name, version)
            fetched = fetch_artifacts(f"{name} version {version}", uri, Path(draft), self.tracking_uri)
            found = read_bundle(fetched).digest
            if found != expected:
                raise RegistryError(
                    f"{name} version {version}: expected digest {expected[:12]}...; found {found[:12]}... "
                    "Its artifacts were changed after registration: register it again."
                )
            if signed:
                (fetched / SIGNATURE).write_text(signed, encoding="utf-8")
            if folder.is_symlink():
                folder.unlink()
            with replaced_folder(folder) as fresh:
                fetched.replace(fresh)

    def _client(self) -> "MlflowClient":
        return open_client(self.tracking_uri)


def _intact(name: str, version: str, folder: Path, expected: str) -> bool:
    """Whether ``folder`` holds the version's bundle with the expected digest and a valid signature."""
    try:
        found = read_bundle(folder, expected)
        check_signature(name, version, found.digest, found.signature, verify_key())
    except RegistryError:
        return False
    return True
