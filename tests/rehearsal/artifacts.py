"""What KFP's launcher does with artifacts: fetches a task's inputs from object storage, stores its outputs there."""

from pathlib import Path
from typing import Any

from tests.rehearsal.dag import Task

SCHEME = "s3://"
OUTPUT_FILE = "/tmp/kfp_outputs/output_metadata.json"
OUTPUT_PARAMETERS = "/tmp/kfp/outputs"
"""Where the launcher, which runs in the task's container, expects what the task returns."""


class ArtifactError(RuntimeError):
    """Raised for an artifact that cannot be fetched or stored."""


def local_path(uri: str) -> str:
    """The path at which a component finds an artifact; the same as ``kfp.dsl.Artifact.path``. Raises ArtifactError."""
    if not uri.startswith(SCHEME):
        raise ArtifactError(f"expected an artifact in object storage ({SCHEME}); found {uri!r}")
    return f"/s3/{uri.removeprefix(SCHEME)}"


def executor_input(task: Task, folder: str) -> dict[str, Any]:
    """The message that a component gets; its output artifacts are in ``folder``, an address."""
    defined = task.component.get("outputDefinitions", {})
    artifacts = {
        name: {"artifacts": [{"name": name, "type": one["artifactType"], "uri": f"{folder}/{name}", "metadata": {}}]}
        for name, one in defined.get("artifacts", {}).items()
    }
    parameters = {name: {"outputFile": f"{OUTPUT_PARAMETERS}/{name}"} for name in defined.get("parameters", {})}
    inputs = {name: {"artifacts": found} for name, found in task.artifacts.items()}
    return {
        "inputs": {"parameterValues": dict(task.parameters), "artifacts": inputs},
        "outputs": {"parameters": parameters, "artifacts": artifacts, "outputFile": OUTPUT_FILE},
    }


def outputs(
    task: Task, message: dict[str, Any], written: dict[str, Any], files: dict[str, str]
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The task's output parameters and artifacts.

    ``message``: what the task got; ``written``: its output file; ``files``: the text of each parameter's file.
    """
    import json

    defined = task.component.get("outputDefinitions", {}).get("parameters", {})
    parameters = dict(written.get("parameterValues", {}))
    for name, text in files.items():
        parameters[name] = text if defined[name]["parameterType"] == "STRING" else json.loads(text)
    artifacts = {}
    for name, given in message["outputs"]["artifacts"].items():
        (made,) = written.get("artifacts", {}).get(name, given)["artifacts"]
        (asked,) = given["artifacts"]
        artifacts[name] = [{**asked, **made, "type": asked["type"]}]
    return parameters, artifacts


class ObjectStorage:
    """Files at S3 addresses; ``files`` is a file system of pyarrow."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def fetch(self, uri: str, target: Path) -> None:
        """Copy an object, or all objects below a prefix, to a local path. Raises ArtifactError where there is none."""
        from pyarrow import fs

        key = uri.removeprefix(SCHEME)
        found = self._files.get_file_info(key)
        if found.type == fs.FileType.NotFound:
            raise ArtifactError(f"{uri}: expected an artifact; found nothing")
        target.parent.mkdir(parents=True, exist_ok=True)
        if found.type == fs.FileType.File:
            with self._files.open_input_stream(key) as stream:
                target.write_bytes(stream.read())
        else:
            target.mkdir()
            fs.copy_files(key, str(target), source_filesystem=self._files)

    def store(self, source: Path, uri: str) -> None:
        """Copy a local file or folder to an address."""
        from pyarrow import fs

        key = uri.removeprefix(SCHEME)
        if source.is_file():
            with self._files.open_output_stream(key) as stream:
                stream.write(source.read_bytes())
        else:
            fs.copy_files(str(source), key, destination_filesystem=self._files)

    def names(self, uri: str) -> list[str]:
        """Every object below an address, sorted."""
        from pyarrow import fs

        selected = fs.FileSelector(uri.removeprefix(SCHEME), recursive=True, allow_not_found=True)
        return sorted(one.path for one in self._files.get_file_info(selected) if one.type == fs.FileType.File)
