"""The compiled pipelines have the order, limits and parameters that a cluster needs."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.catalogue import PIPELINES, compile_pipeline
from pipelines.errors import RunError

Documents = Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
COMPILE = """
import sys
from pathlib import Path

from kfp import components
from pipelines.catalogue import PIPELINES, compile_pipeline

for name in PIPELINES:
    path = compile_pipeline(name, Path(sys.argv[1], f"{name}.yaml"))
    print(components.load_component_from_file(str(path)).name)
"""
"""In a process of its own: KFP walks the stack at every task, which takes seconds where many modules are loaded."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def names(folder: Path) -> list[str]:
    """The names under which KFP loads the compiled pipelines of ``folder``."""
    done = subprocess.run([sys.executable, "-c", COMPILE, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def compiled(folder: Path, names: list[str]) -> Documents:
    """The pipeline and the platform document by name; the second is empty where there is none."""
    documents = {name: list(yaml.safe_load_all((folder / f"{name}.yaml").read_bytes())) for name in PIPELINES}
    return {name: (found[0], found[1] if len(found) > 1 else {}) for name, found in documents.items()}


def tasks(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for component in [{"dag": document["root"]["dag"]}, *document["components"].values()]:
        found |= component.get("dag", {}).get("tasks", {})
    return found


def test_kfp_accepts_them_and_nothing_else_is_written(folder: Path, names: list[str]) -> None:
    assert names == [f"heliograph-{name}" for name in PIPELINES]
    assert {path.name for path in folder.iterdir()} == {f"{name}.yaml" for name in PIPELINES}


def test_training_has_every_step_and_deploys_behind_the_gate(compiled: Documents) -> None:
    document, _ = compiled["training"]
    steps = tasks(document)
    assert {
        "ingest", "materialize", "retrieve", "build-graph", "train", "evaluate", "register", "push-embeddings",
        "deploy", "monitor", "report",
    } <= set(steps)  # fmt: skip
    gated = {
        steps[name]["triggerPolicy"]["condition"].split("'")[-2]: set(
            document["components"][f"comp-{name}"]["dag"]["tasks"]
        )
        for name in steps
        if name.startswith("condition")
    }
    assert gated == {
        "promote": {"push-embeddings", "deploy"},
        "refit": {"refit", "register-2", "push-embeddings-2", "deploy-2"},
    }
    assert steps["report"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


@pytest.mark.parametrize(
    ("name", "task", "before"),
    [
        *((name, "retrieve", "materialize") for name in PIPELINES),
        ("training", "deploy", "push-embeddings"),
        ("training", "monitor", "register"),
        ("training", "register-2", "refit"),
        ("training", "push-embeddings-2", "register-2"),
        ("training", "deploy-2", "push-embeddings-2"),
        ("refresh", "ingest", "champion"),
        ("monitoring", "ingest", "champion"),
    ],
)
def test_a_task_waits_for_the_changes_that_it_needs(name: str, task: str, before: str, compiled: Documents) -> None:
    document, _ = compiled[name]
    assert before in tasks(document)[task]["dependentTasks"]


@pytest.mark.parametrize("name", PIPELINES)
def test_every_task_is_limited_and_retried_and_state_is_never_cached(name: str, compiled: Documents) -> None:
    document, _ = compiled[name]
    for step, task in tasks(document).items():
        if step.startswith(("condition", "exit-handler", "importer")):
            continue
        executor = document["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
        assert executor["resources"]["resourceMemoryLimit"], step
        assert "python" in executor["image"]
        assert task["retryPolicy"]["maxRetryCount"] == 1, step
        stateless = step.removesuffix("-2") in ("build-graph", "train")
        assert bool(task["cachingOptions"].get("enableCache")) is stateless, step


@pytest.mark.parametrize("step", ["train", "refit"])
def test_the_gpu_pool_comes_from_parameters(step: str, compiled: Documents) -> None:
    document, platform = compiled["training"]
    accelerator = document["deploymentSpec"]["executors"][f"exec-{step}"]["container"]["resources"]["accelerator"]
    assert "accelerator_count" in accelerator["resourceCount"]
    pod = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{step}"]
    assert pod["nodeSelector"]["nodeSelectorJson"]["componentInputParameter"].endswith("node_selector")
    assert pod["tolerations"][0]["tolerationJson"]["componentInputParameter"].endswith("tolerations")


def test_what_serves_after_a_refit_is_what_the_refit_chose(compiled: Documents) -> None:
    document, _ = compiled["training"]
    steps = tasks(document)

    def source(step: str, artifact: str) -> dict[str, str]:
        found: dict[str, str] = steps[step]["inputs"]["artifacts"][artifact].get("taskOutputArtifact", {})
        return found

    chosen = {"outputArtifactKey": "serving", "producerTask": "refit"}
    assert source("push-embeddings-2", "model") == source("register-2", "serving") == chosen
    assert source("register-2", "check") == {**chosen, "outputArtifactKey": "check"}
    assert not {"serving", "check"} & set(steps["register"]["inputs"]["artifacts"])


def test_a_canary_is_a_parameter(compiled: Documents) -> None:
    document, _ = compiled["training"]
    declared = document["root"]["inputDefinitions"]["parameters"]["canary_percent"]
    assert (declared["defaultValue"], declared["parameterType"]) == (0.0, "NUMBER_INTEGER")
    given = tasks(document)["deploy"]["inputs"]["parameters"]["canary_percent"]
    assert given["componentInputParameter"].endswith("canary_percent")


def test_an_unknown_pipeline_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected one of training"):
        compile_pipeline("trainig", tmp_path / "p.yaml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", PIPELINES)
def test_the_spec_is_an_artifact_and_only_its_address_a_parameter(name: str, compiled: Documents) -> None:
    document, _ = compiled[name]
    imported = document["deploymentSpec"]["executors"]["exec-importer"]["importer"]
    assert imported["artifactUri"] == {"runtimeParameter": "uri"}
    for step, task in tasks(document).items():
        if step not in ("report", "importer", "importer-2") and not step.startswith("exit-handler"):
            assert "spec" not in task["inputs"].get("parameters", {}), step
            assert step.startswith("condition") or "spec" in task["inputs"]["artifacts"], step


@pytest.mark.parametrize("name", PIPELINES)
def test_every_step_and_the_exit_handler_get_the_id_of_the_run_that_kfp_gives_it(
    name: str, compiled: Documents
) -> None:
    document, _ = compiled[name]
    given = {
        step: task["inputs"]["parameters"]["job"]
        for step, task in tasks(document).items()
        if not step.startswith(("condition", "exit-handler", "importer"))
    }
    assert "report" in given
    for step, job in given.items():
        assert job == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}, step
