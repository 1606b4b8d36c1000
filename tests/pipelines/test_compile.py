"""The compiled pipelines have the order, limits and parameters that a cluster needs."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalogue import PIPELINES, compile_pipeline
from pipelines.errors import RunError
from tests.pipelines.documents import Documents, tasks


def test_kfp_accepts_them_and_nothing_else_is_written(folder: Path, names: list[str]) -> None:
    assert names == [f"heliograph-{name}" for name in PIPELINES]
    assert {path.name for path in folder.iterdir()} == {f"{name}.yaml" for name in PIPELINES}


BEFORE_INGEST = ("permission", "decide", "roll-back", "champion", "ingest")


def branches(document: dict[str, Any]) -> dict[str, set[str]]:
    """The tasks that each returned value leads to; the gate's are those of its first task."""
    found: dict[str, set[str]] = {}
    for name, task in sorted(tasks(document).items()):
        if name.startswith("condition"):
            inside = document["components"][task["componentRef"]["name"]]["dag"]["tasks"]
            steps = {one for one in inside if not one.startswith("condition")}
            found.setdefault(task["triggerPolicy"]["condition"].split("'")[-2], steps)
    return found


def test_training_has_every_step_and_deploys_behind_the_gate(compiled: Documents) -> None:
    document, _ = compiled["training"]
    steps = tasks(document)
    assert {
        "ingest", "materialize", "retrieve", "build-graph", "train", "fit-trees", "evaluate", "register",
        "push-embeddings", "deploy", "monitor", "report", "permission",
    } <= set(steps)  # fmt: skip
    gated = branches(document)
    assert gated["promote"] == {"push-embeddings", "deploy"}
    assert gated["refit"] == {"refit", "register-2", "push-embeddings-2", "deploy-2"}
    assert gated.keys() == {"go", "promote", "refit"}
    assert {"ingest", "train", "monitor"} <= gated["go"]
    assert steps["report"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_act_has_a_branch_for_each_action_and_nothing_before_the_decision(compiled: Documents) -> None:
    document, _ = compiled["act"]
    found = {action: {re.sub(r"-\d+$", "", one) for one in steps} for action, steps in branches(document).items()}
    common = {"ingest", "materialize", "retrieve"}
    assert found["roll_back"] == {"roll-back"}
    assert found["recalibrate"] == {*common, "recalibrate"}
    assert found["retrain"] == {*common, "build-graph", "train", "fit-trees", "evaluate", "register"}
    assert found["deploy"] == {*common, "champion", "build-graph", "push-embeddings", "deploy"}
    assert found.keys() == {"roll_back", "recalibrate", "retrain", "deploy", "promote", "refit"}
    (handler,) = [name for name in document["components"] if name.startswith("comp-exit-handler")]
    top = document["components"][handler]["dag"]["tasks"]
    assert {name for name in top if not name.startswith("condition")} == {"importer", "decide"}


def test_a_version_that_act_trained_gets_the_share_of_the_spec(compiled: Documents) -> None:
    document, _ = compiled["act"]
    given = [
        task["inputs"]["parameters"].get("canary_percent", {}).get("runtimeValue", {}).get("constant")
        for name, task in tasks(document).items()
        if name.startswith("deploy")
    ]
    assert sorted(given, key=str) == [-1.0, -1.0, -1.0, None]  # a new calibration takes the champion's place


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


@pytest.mark.parametrize("step", ["train", "refit"])
def test_the_gpu_pool_comes_from_parameters(step: str, compiled: Documents) -> None:
    document, platform = compiled["training"]
    accelerator = document["deploymentSpec"]["executors"][f"exec-{step}"]["container"]["resources"]["accelerator"]
    assert "accelerator_count" in accelerator["resourceCount"]
    processes = tasks(document)[step]["inputs"]["parameters"]["gpus"]["componentInputParameter"]
    assert processes.endswith("accelerator_count")
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
def test_every_step_after_ingest_takes_the_spec_with_the_dates(name: str, compiled: Documents) -> None:
    document, _ = compiled[name]
    specs = {
        step: task["inputs"]["artifacts"]["spec"]
        for step, task in tasks(document).items()
        if "spec" in task.get("inputs", {}).get("artifacts", {}) and re.sub(r"-\d+$", "", step) not in BEFORE_INGEST
    }
    assert {"materialize", "retrieve", "build-graph"} <= set(specs)
    for step, given in specs.items():
        # Inside a condition an artifact has the name of its task and output.
        source = given["taskOutputArtifact"]["outputArtifactKey"] if "taskOutputArtifact" in given else ""
        source = source or given["componentInputArtifact"].rpartition("-")[2]
        own = name == "comparison" and step in ("build-graph", "train", "fit-trees")
        assert source == ("single" if own else "resolved"), step
