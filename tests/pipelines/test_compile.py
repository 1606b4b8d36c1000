"""The compiled pipelines have the order, limits and parameters that a cluster needs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.catalogue import PIPELINES, compile_pipeline
from pipelines.errors import RunError


def compiled(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    documents = list(yaml.safe_load_all(compile_pipeline(name, folder / f"{name}.yaml").read_text(encoding="utf-8")))
    return documents[0], documents[1] if len(documents) > 1 else {}


def tasks(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for component in [{"dag": document["root"]["dag"]}, *document["components"].values()]:
        found |= component.get("dag", {}).get("tasks", {})
    return found


@pytest.mark.parametrize("name", PIPELINES)
def test_kfp_accepts_it(name: str, tmp_path: Path) -> None:
    from kfp import components

    path = compile_pipeline(name, tmp_path / "p.yaml")
    assert components.load_component_from_file(str(path)).name == f"heliograph-{name}"
    assert [p.name for p in tmp_path.iterdir()] == ["p.yaml"]


def test_training_has_every_step_and_deploys_behind_the_gate(tmp_path: Path) -> None:
    document, _ = compiled("training", tmp_path)
    steps = tasks(document)
    assert {
        "ingest", "materialize", "retrieve", "build-graph", "train", "evaluate", "register", "push-embeddings",
        "deploy", "monitor", "report",
    } <= set(steps)  # fmt: skip
    (gate,) = [name for name in steps if name.startswith("condition")]
    assert "'promote'" in steps[gate]["triggerPolicy"]["condition"]
    gated = document["components"][f"comp-{gate}"]["dag"]["tasks"]
    assert set(gated) == {"push-embeddings", "deploy"}
    assert steps["report"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


@pytest.mark.parametrize(
    ("name", "task", "before"),
    [
        *((name, "retrieve", "materialize") for name in PIPELINES),
        ("training", "deploy", "push-embeddings"),
        ("training", "monitor", "register"),
        ("refresh", "ingest", "champion"),
        ("monitoring", "ingest", "champion"),
    ],
)
def test_a_task_waits_for_the_changes_that_it_needs(name: str, task: str, before: str, tmp_path: Path) -> None:
    document, _ = compiled(name, tmp_path)
    assert before in tasks(document)[task]["dependentTasks"]


@pytest.mark.parametrize("name", PIPELINES)
def test_every_task_is_limited_and_retried_and_state_is_never_cached(name: str, tmp_path: Path) -> None:
    document, _ = compiled(name, tmp_path)
    for step, task in tasks(document).items():
        if step.startswith(("condition", "exit-handler", "importer")):
            continue
        executor = document["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
        assert executor["resources"]["resourceMemoryLimit"], step
        assert "python" in executor["image"]
        assert task["retryPolicy"]["maxRetryCount"] == 1, step
        stateless = step.removesuffix("-2") in ("build-graph", "train")
        assert bool(task["cachingOptions"].get("enableCache")) is stateless, step


def test_the_gpu_pool_comes_from_parameters(tmp_path: Path) -> None:
    document, platform = compiled("training", tmp_path)
    accelerator = document["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]["accelerator"]
    assert "accelerator_count" in accelerator["resourceCount"]
    train = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert train["nodeSelector"]["nodeSelectorJson"]["componentInputParameter"].endswith("node_selector")
    assert train["tolerations"][0]["tolerationJson"]["componentInputParameter"].endswith("tolerations")


def test_a_canary_is_a_parameter(tmp_path: Path) -> None:
    document, _ = compiled("training", tmp_path)
    declared = document["root"]["inputDefinitions"]["parameters"]["canary_percent"]
    assert (declared["defaultValue"], declared["parameterType"]) == (0.0, "NUMBER_INTEGER")
    given = tasks(document)["deploy"]["inputs"]["parameters"]["canary_percent"]
    assert given["componentInputParameter"].endswith("canary_percent")


def test_an_unknown_pipeline_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected one of training"):
        compile_pipeline("trainig", tmp_path / "p.yaml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", PIPELINES)
def test_a_step_takes_the_spec_as_an_artifact_and_only_its_address_is_a_parameter(name: str, tmp_path: Path) -> None:
    document, _ = compiled(name, tmp_path)
    imported = document["deploymentSpec"]["executors"]["exec-importer"]["importer"]
    assert imported["artifactUri"] == {"runtimeParameter": "uri"}
    for step, task in tasks(document).items():
        if step not in ("report", "importer", "importer-2") and not step.startswith("exit-handler"):
            assert "spec" not in task["inputs"].get("parameters", {}), step
            assert step.startswith("condition") or "spec" in task["inputs"]["artifacts"], step
