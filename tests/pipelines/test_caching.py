"""Steps whose outputs KFP may take from its cache: what they take is equal from run to run, and says what they read."""

import re
from pathlib import Path
from typing import Any

import pytest

from components.digests import write_digest
from models.spec import Spec
from monitoring.record import LedgerRecord, Step
from pipelines.catalogue import PIPELINES
from tests.pipelines.documents import Documents, steps, tasks

CACHED = {"build-graph", "train", "fit-trees", "home-domain"}
CONDITIONAL = {"refit", "push embeddings", "deploy"}
"""Steps that some runs of the training pipeline leave out."""


def cached(document: dict[str, Any]) -> dict[str, Any]:
    return {step: task for step, task in steps(document).items() if task["cachingOptions"].get("enableCache")}


@pytest.mark.parametrize("name", PIPELINES)
def test_only_steps_that_compute_from_their_inputs_are_cached(name: str, compiled: Documents) -> None:
    document, _ = compiled[name]
    every = {step for step in steps(document) if re.sub(r"-\d+$", "", step) in CACHED}
    assert set(cached(document)) == every
    assert every


@pytest.mark.parametrize("name", PIPELINES)
def test_a_cached_step_takes_digests_and_nothing_that_a_run_has_for_itself(name: str, compiled: Documents) -> None:
    """KFP compares parameters, but of artifacts only the names: without the digest, old outputs of other data."""
    document, _ = compiled[name]
    for step, task in cached(document).items():
        given = task["inputs"]["parameters"]
        where = {name for name in given if "accelerator" in name} | {"gpus", "trainer"}  # what one submits again with
        assert set(given) - where == {"services", "inputs"}, step
        source = given["inputs"]["taskOutputParameter"]
        assert source["outputParameterKey"] == "digest", step
        assert source["producerTask"] in task["dependentTasks"], step
        assert given["services"] == {"componentInputParameter": "pipelinechannel--services"}, step


def test_the_digest_covers_what_the_step_reads(compiled: Documents) -> None:
    document, _ = compiled["comparison"]
    given = {step: task["inputs"]["parameters"]["inputs"] for step, task in cached(document).items()}
    sources = {step: one["taskOutputParameter"]["producerTask"] for step, one in given.items()}
    assert sources == {
        "home-domain": "retrieve",
        "build-graph": "home-domain",
        "train": "build-graph",
        "fit-trees": "train",
        "build-graph-2": "retrieve",
        "train-2": "build-graph-2",
        "fit-trees-2": "train-2",
    }
    artifacts = {step: task["inputs"]["artifacts"] for step, task in cached(document).items()}
    assert artifacts["build-graph"]["spec"]["taskOutputArtifact"]["producerTask"] == "home-domain"
    assert artifacts["train"]["graph"]["taskOutputArtifact"]["producerTask"] == "build-graph"


@pytest.mark.parametrize("name", PIPELINES)
def test_no_task_gets_a_value_that_kfp_puts_in(name: str, folder: Path, compiled: Documents) -> None:
    """Such as the run's id, which would be part of a cache's key."""
    document, _ = compiled[name]
    for step, task in tasks(document).items():
        for given in task.get("inputs", {}).get("parameters", {}).values():
            assert "{{$.pipeline" not in str(given.get("runtimeValue", "")), step
    assert "pipeline_job" not in (folder / f"{name}.yaml").read_text(encoding="utf-8").split("platforms:")[0]


@pytest.mark.parametrize("name", PIPELINES)
def test_the_report_knows_the_steps_that_every_run_has(name: str, compiled: Documents) -> None:
    document, _ = compiled[name]
    declared = steps(document)["report"]["inputs"]["parameters"]["steps"]["runtimeValue"]["constant"]
    found = {step.replace("-", " ") for step in steps(document)} - {"report"}
    found = {step[:-2] + " 2" if step.endswith(" 2") else step for step in found}
    left_out = {step for step in found if step.removesuffix(" 2") in CONDITIONAL} if name == "training" else set()
    left_out |= {"register 2"} & found
    left_out |= found - {"decide"} if name == "act" else set()
    assert sorted(declared) == sorted(found - left_out)
    order = {step.replace(" ", "-"): number for number, step in enumerate(declared)}
    for step, number in order.items():
        for before in tasks(document)[step].get("dependentTasks", []):
            assert order.get(before, -1) < number, (before, step)


def test_a_digest_changes_with_the_spec_the_data_and_what_is_given(tiny_spec: Spec, tmp_path: Path) -> None:
    folders = [str(tmp_path / name) for name in ("tables", "graph")]
    for folder in folders:
        Path(folder).mkdir()
        (Path(folder) / "manifest.json").write_text("{}", encoding="utf-8")
    file = str(tmp_path / "out" / "digest")
    first = write_digest(file, tiny_spec, folders)
    assert Path(file).read_text(encoding="utf-8") == first == write_digest(file, tiny_spec, folders)
    other = tiny_spec.model_copy(update={"name": "other"})
    found = {first, write_digest(file, other, folders), write_digest(file, tiny_spec, folders, given="x")}
    (tmp_path / "graph" / "manifest.json").write_text('{"digest": "2"}', encoding="utf-8")
    assert len(found | {write_digest(file, tiny_spec, folders), write_digest(file, tiny_spec)}) == 5
    (tmp_path / "graph" / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError):
        write_digest(file, tiny_spec, folders)


def record(*names: str) -> LedgerRecord:
    steps = [Step(name, "ok", number, 1.0) for number, name in enumerate(names, start=1)]
    return LedgerRecord("run", "product", "http://mlflow", "m", 0, steps)


@pytest.mark.parametrize(
    ("began", "shown"),
    [
        ([], []),
        (["a"], ["a ok"]),
        (["a", "b", "c", "d"], ["a ok", "b ok", "c ok", "d ok"]),
        (["a", "d"], ["a ok", "b cached", "c cached", "d ok"]),
        (["a", "c"], ["a ok", "b cached", "c ok"]),
        (["d", "x"], ["a cached", "b cached", "c cached", "d ok", "x ok"]),
        (["x"], ["x ok"]),
    ],
)
def test_a_step_without_an_entry_came_from_the_cache_if_a_later_one_began(began: list[str], shown: list[str]) -> None:
    found = record(*began).with_cached(["a", "b", "c", "d"])
    assert [f"{step.name} {step.status}" for step in found.steps] == shown
    assert found.failure is None
