"""What a task's container gets: its own inputs read-only, its own outputs, its user and limits; no engine is needed."""

import json
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from tests.rehearsal.artifacts import OUTPUT_FILE, ArtifactError, ObjectStorage, local_path
from tests.rehearsal.compiled import Compiled
from tests.rehearsal.dag import FAILED, SUCCEEDED
from tests.rehearsal.engine import Container, Mount, arguments
from tests.rehearsal.runner import Run, World

SETTINGS = {
    "secretAsEnv": [{"secretName": "s", "keyToEnv": [{"secretKey": "PASSWORD", "envVar": "PASSWORD"}]}],
    "emptyDirMounts": [{"volumeName": "tmp", "mountPath": "/tmp"}],
    "securityContext": {"runAsUser": "1000", "runAsGroup": "1000"},
}


class FakeEngine:
    """Keeps the containers; each writes its output artifact and what it returns, as a component does."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.containers: list[Container] = []

    def run(self, container: Container, log: Path, seconds: float) -> int:
        self.containers.append(container)
        log.write_text("a line\n", encoding="utf-8")
        message = json.loads(container.command[-1])
        for name, one in message["outputs"]["artifacts"].items():
            target = one["artifacts"][0]["uri"].removesuffix(f"/{name}")
            (mount,) = [mount for mount in container.mounts if mount.target == local_path(target)]
            (mount.source / name).write_text(container.name, encoding="utf-8")
        (scratch,) = [mount for mount in container.mounts if mount.target == "/tmp"]
        output = scratch.source / Path(OUTPUT_FILE).relative_to("/tmp")
        output.write_text(json.dumps({"parameterValues": {"Output": "go"}}), encoding="utf-8")
        return self.status


@pytest.fixture
def storage(tmp_path: Path) -> ObjectStorage:
    """A folder in place of the buckets."""
    import fsspec
    from pyarrow import fs

    files = fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem("file", auto_mkdir=True)))
    return ObjectStorage(fs.SubTreeFileSystem(str(tmp_path / "objects"), files))


def run(
    gated: Compiled, storage: ObjectStorage, folder: Path, status: int = 0, **settings: Any
) -> tuple[Run, FakeEngine]:
    """Run the pipeline with these settings of every pod."""
    engine, names = FakeEngine(status), ("make", "use", "after", "final")
    executors = {f"exec-{name}": {**SETTINGS, **settings} for name in names}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
    world = World(engine, storage, folder / "world", {"s": {"PASSWORD": "secret"}})  # type: ignore[arg-type]
    made = Run(world, Compiled(gated.pipeline, platform), "run-1", "s3://bucket/root")
    made.run({})
    return made, engine


def test_a_task_sees_its_own_inputs_read_only_and_its_own_outputs(
    gated: Compiled, storage: ObjectStorage, tmp_path: Path
) -> None:
    made, engine = run(gated, storage, tmp_path)
    assert [one.state for one in made.ended] == [SUCCEEDED] * 4, made.ended
    make, use, after, _ = engine.containers
    data = "/s3/bucket/root/gated/run-1/make/0/data"
    assert _mounts(make) == {"/tmp": False, "/s3/bucket/root/gated/run-1/make/0": False}
    assert _mounts(use) == {"/tmp": False, "/s3/bucket/root/gated/run-1/use/0": False, data: True}
    assert data not in _mounts(after)
    (source,) = [mount.source for mount in use.mounts if mount.read_only]
    assert source.read_text(encoding="utf-8") == make.name


def test_two_tasks_share_no_folder_of_this_machine(gated: Compiled, storage: ObjectStorage, tmp_path: Path) -> None:
    _, engine = run(gated, storage, tmp_path)
    sources = [mount.source for container in engine.containers for mount in container.mounts]
    assert len(sources) == len(set(sources))


def test_a_task_without_a_writable_tmp_fails_as_on_a_cluster(
    gated: Compiled, storage: ObjectStorage, tmp_path: Path
) -> None:
    made, engine = run(gated, storage, tmp_path, emptyDirMounts=[])
    assert made.ended[0].state == FAILED
    assert "read-only root file system" in made.ended[0].reason
    assert engine.containers == []


def test_an_exit_status_fails_the_task_with_the_end_of_its_log(
    gated: Compiled, storage: ObjectStorage, tmp_path: Path
) -> None:
    made, _ = run(gated, storage, tmp_path, status=137)
    assert [one.task for one in made.ended] == ["make", "make", "final"]
    assert "exit status 137" in made.ended[0].reason


def test_an_input_that_is_not_there_fails_the_task(storage: ObjectStorage, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="expected an artifact; found nothing"):
        storage.fetch("s3://bucket/none", tmp_path / "none")


def test_the_arguments_of_podman(tmp_path: Path) -> None:
    mounts = [Mount(tmp_path / "in", "/s3/b/in"), Mount(tmp_path / "out", "/s3/b/out", False)]
    given = arguments(Container("n", "image", ["true"], {"PASSWORD": "secret"}, mounts, 1000, 1000, 1 << 30, 0.5))
    text = " ".join(given)
    for part in (
        "--read-only ",
        "--read-only-tmpfs=false",
        "--image-volume ignore",
        "--user 1000:1000",
        "--cap-drop all",
        "--replace ",
    ):
        assert part in text
    assert f"--memory {1 << 30}" in text
    assert "--cpus 0.5" in text
    assert f"{tmp_path}/in:/s3/b/in:ro" in given
    assert f"{tmp_path}/out:/s3/b/out:rw" in given
    assert "--env PASSWORD" in text
    assert "secret" not in text
    assert given[-2:] == ["image", "true"]


@pytest.mark.parametrize("uri", ["s3://bucket/key/file.json", "s3://bucket/a b/c"])
def test_paths_of_artifacts_are_those_of_kfp(uri: str) -> None:
    assert local_path(uri) == dsl.Artifact(uri=uri).path


def test_an_artifact_outside_of_object_storage_is_refused() -> None:
    with pytest.raises(ArtifactError, match="expected an artifact in object storage"):
        local_path("/state/tables")


def _mounts(container: Container) -> dict[str, bool]:
    return {mount.target: mount.read_only for mount in container.mounts}
