"""MLflow's records of a model: its client, experiment, versions and aliases."""

import os
from typing import TYPE_CHECKING, Any

from models.addresses import sqlite_file
from serving.errors import RegistryError
from serving.versions.registry_pages import all_results

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST = "heliograph.digest"
"""Tag: the digest of the version's bundle."""


def open_client(tracking_uri: str) -> "MlflowClient":
    """A client of the tracking URI that reports nothing to anybody."""
    for variable in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ[variable] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    from mlflow import MlflowClient

    path = sqlite_file(tracking_uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def experiment_id(client: "MlflowClient", tracking_uri: str, name: str) -> str:
    """The experiment's ID; for a database on this machine, artifacts are stored next to it."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    path = sqlite_file(tracking_uri)
    location = None if path is None else (path.parent / "artifacts").resolve().as_uri()
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        # Another process has created it meanwhile.
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def ensure_model(client: "MlflowClient", name: str) -> None:
    """Register the model unless it is there."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def alias_of(client: "MlflowClient", name: str, alias: str) -> str | None:
    """The version that has an alias, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def aliases_of(client: "MlflowClient", name: str) -> dict[str, str]:
    """All aliases of a model with their versions, read at one moment; none for an unknown model."""
    from mlflow.exceptions import MlflowException

    try:
        return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise


def drop_alias(client: "MlflowClient", name: str, alias: str, version: str) -> None:
    """Remove an alias if that version has it."""
    if alias_of(client, name, alias) == version:
        client.delete_registered_model_alias(name, alias)


def version_records(client: "MlflowClient", name: str) -> list[Any]:
    """MLflow's records of all versions of a model. Raises RegistryError for a name that cannot be searched."""
    quote = '"' if "'" in name else "'"
    if quote in name:
        raise RegistryError(f"model: expected a name without both kinds of quotes; found {name!r:.80}.")
    condition = f"name = {quote}{name}{quote}"
    return all_results(lambda page: client.search_model_versions(condition, page_token=page))


def version_record(client: "MlflowClient", name: str, version: str) -> Any:
    """MLflow's record of a version. Raises RegistryError for one that is unknown, or was not registered here."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version(name, version)
    except MlflowException:
        numbers = sorted(int(one.version) for one in version_records(client, name))
        known = ", ".join(map(str, numbers)) or "none"
        raise RegistryError(f"{name}: expected a registered version ({known}); found {version!r}.") from None
    if DIGEST not in found.tags:
        raise RegistryError(f"{name} version {version}: expected the tag {DIGEST}; found none. We did not register it.")
    return found
