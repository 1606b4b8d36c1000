"""What every task of a compiled pipeline gets on a cluster: secrets, mounts, user, time, limits, retries."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.__main__ import main
from pipelines.catalogue import PIPELINES, compile_pipeline
from pipelines.errors import SettingsError
from pipelines.resources import OPTIONAL, REQUIRED
from pipelines.settings import DEFAULTS, ClusterSettings, read_settings
from tests.pipelines.documents import Documents, pod, read_documents, steps

ROOT = Path(__file__).resolve().parent.parent.parent
RETRIED = {
    "champion": 2, "ingest": 1, "materialize": 2, "retrieve": 1, "evaluate": 1, "push-embeddings": 2, "monitor": 1,
    "report": 2, "train": 3, "refit": 3, "deploy": 1, "permission": 2, "decide": 2, "roll-back": 2, "recalibrate": 1,
}  # fmt: skip


def component(step: str) -> str:
    return re.sub(r"-\d+$", "", step)


def secrets(settings: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """By environment variable: the secret, and whether its key may be missing."""
    return {
        pair["envVar"]: (one["secretName"], one["optional"])
        for one in settings["secretAsEnv"]
        for pair in one["keyToEnv"]
        if pair["envVar"] == pair["secretKey"]
    }


@pytest.mark.parametrize("name", PIPELINES)
def test_every_task_has_secrets_mounts_user_and_the_id_of_its_run(name: str, compiled: Documents) -> None:
    document, platform = compiled[name]
    assert "report" in steps(document)
    for step in steps(document):
        found = pod(platform, step)
        given = secrets(found)
        assert {key: given[key] for key in REQUIRED} == dict.fromkeys(REQUIRED, ("heliograph", False)), step
        assert {key: given[key] for key in OPTIONAL} == dict.fromkeys(OPTIONAL, ("heliograph", True)), step
        assert ("HELIOGRAPH_SIGNING_KEY" in given) is (component(step) in ("register", "recalibrate")), step
        assert ("HELIOGRAPH_TOKEN" in given) is (component(step) in ("deploy", "roll-back")), step
        mounts = {one["mountPath"]: (one.get("medium"), one["sizeLimit"]) for one in found["emptyDirMounts"]}
        own = DEFAULTS[component(step)]
        shared = {"/dev/shm": ("Memory", own.shared_memory)} if component(step) in ("train", "refit") else {}
        assert mounts == {"/tmp": (None, own.scratch), **shared}, step
        assert found["securityContext"] == {"runAsUser": "1000", "runAsGroup": "1000", "runAsNonRoot": True}, step
        run = {"name": "HELIOGRAPH_RUN", "fieldPath": "metadata.labels['pipeline/runid']"}
        assert found["fieldPathAsEnv"] == [run], step
        assert int(found["activeDeadlineSeconds"]) == DEFAULTS[component(step)].timeout, step


@pytest.mark.parametrize("name", ["cluster", "spark"])
def test_the_secret_has_what_the_feature_store_of_the_image_names(name: str) -> None:
    text = (ROOT / "feature_repo" / f"feature_store.{name}.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", text)) == {*REQUIRED, "HELIOGRAPH_PROJECT"}


@pytest.mark.parametrize("name", PIPELINES)
def test_every_task_is_limited_and_retried_only_where_that_can_help(name: str, compiled: Documents) -> None:
    document, _ = compiled[name]
    for step, task in steps(document).items():
        container = document["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
        assert "python" in container["image"]
        limits = container["resources"]
        assert limits["resourceMemoryLimit"] == limits["resourceMemoryRequest"] == DEFAULTS[component(step)].memory
        assert limits["resourceCpuLimit"] == limits["resourceCpuRequest"]
        assert task.get("retryPolicy", {}).get("maxRetryCount", 0) == RETRIED.get(component(step), 0), step


def test_the_page_on_operations_has_the_defaults() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, below = page.partition("| component | cpu | memory |")
    found = {}
    for line in below.split("\n\n")[0].split("\n")[2:]:
        names, cpu, memory, scratch, timeout, retries, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        for name in names.replace("`", "").split(", "):
            found[name] = (float(cpu), memory.split(" ")[0], scratch, int(timeout), int(retries))
    assert found == {
        name: (one.cpu, one.memory, one.scratch, one.timeout, one.retries) for name, one in DEFAULTS.items()
    }


def test_the_components_of_all_pipelines_have_settings_and_no_others(compiled: Documents) -> None:
    assert {component(step) for document, _ in compiled.values() for step in steps(document)} == set(DEFAULTS)


def test_a_file_and_a_secret_change_what_is_compiled(tmp_path: Path) -> None:
    file = tmp_path / "resources.yaml"
    file.write_text("train: {cpu: 8, memory: 64Gi, timeout: 600, retries: 0, shared_memory: null}\n", encoding="utf-8")
    assert main(["compile", "--folder", str(tmp_path), "--resources", str(file), "--secret", "other"]) == 0
    document, platform = read_documents(tmp_path)["training"]
    container = document["deploymentSpec"]["executors"]["exec-train"]["container"]
    assert container["resources"]["resourceMemoryLimit"] == "64Gi"
    assert container["resources"]["resourceCpuLimit"] == "8000m"
    train, refit = pod(platform, "train"), pod(platform, "refit")
    assert (train["activeDeadlineSeconds"], refit["activeDeadlineSeconds"]) == ("600", "172800")
    assert [one["mountPath"] for one in train["emptyDirMounts"]] == ["/tmp"]
    assert {secret for secret, _ in secrets(train).values()} == {"other"}
    assert "retryPolicy" not in steps(document)["train"]


def test_steps_that_may_have_a_gpu_have_one_of_the_pool_where_a_file_says_so(
    tmp_path: Path, compiled: Documents
) -> None:
    """And the image with CUDA. By default none: GPUs are scarce."""
    file, train_image = tmp_path / "resources.yaml", "registry/python-train:1"
    file.write_text("evaluate: {gpu: true}\npush-embeddings: {gpu: true}\n", encoding="utf-8")
    code = "import sys; from pipelines.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "compile", "--folder", str(tmp_path), "--resources", str(file)]
    subprocess.run(command, check=True, env={**os.environ, "HELIOGRAPH_TRAIN_IMAGE": train_image})
    given = read_documents(tmp_path)
    found = {"training": ("evaluate", "push-embeddings", "push-embeddings-2"), "refresh": ("push-embeddings",)}
    for name, names in {**found, "monitoring": ("evaluate",)}.items():
        for step in names:
            container = given[name][0]["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
            assert container["image"] == train_image
            assert container["resources"]["accelerator"]["resourceCount"] == "1"
            assert "accelerator" in container["resources"]["accelerator"]["resourceType"]
            assert pod(given[name][1], step)["nodeSelector"]["nodeSelectorJson"]["componentInputParameter"]
            before = compiled[name][0]["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
            assert "accelerator" not in before["resources"]
            assert before["image"] != train_image


def test_settings_of_one_compilation_are_not_those_of_the_next(tmp_path: Path) -> None:
    paths = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    compile_pipeline("refresh", paths[0], ClusterSettings("other"))
    compile_pipeline("refresh", paths[1])
    assert "secretName: other" in paths[0].read_text(encoding="utf-8")
    assert "secretName: other" not in paths[1].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a mapping such as train"),
        ("trian: {cpu: 2}", "expected one of champion, .*; found 'trian'"),
        ("train: 4", "train: expected a mapping such as {memory: 32Gi}; found 4"),
        ("train: {cpus: 2}", r"train\.cpus: .*not permitted; found 2"),
        ("train: {cpu: 0}", r"train\.cpu: .*greater than or equal to 0.1; found 0"),
        ("train: {cpu: true}", r"train\.cpu: .*valid number; found True"),
        ("train: {memory: 32 GB}", r"train\.memory: .*match pattern .*; found '32 GB'"),
        ("train: {timeout: 1}", r"train\.timeout: .*greater than or equal to 60; found 1"),
        ("train: {retries: 11}", r"train\.retries: .*less than or equal to 10; found 11"),
        ("train: {cpu: 1, cpu: 2}", "every key once"),
        ("ingest: {gpu: true}", r"ingest\.gpu: expected it of evaluate or push-embeddings alone; found true"),
        ("train: {gpu: true}", r"train\.gpu: .*--accelerator-count"),
    ],
)
def test_settings_that_cannot_be_used_are_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "resources.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message) as raised:
        read_settings(file)
    assert str(file) in str(raised.value)


def test_a_file_that_is_not_there_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        read_settings(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("{}", encoding="utf-8")
    assert read_settings(tmp_path / "empty.yaml") == DEFAULTS


def test_a_secret_that_kubernetes_would_refuse_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--folder", str(tmp_path), "--secret", "A_b"]) == 1
    assert "--secret: expected the name of a Kubernetes object" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
