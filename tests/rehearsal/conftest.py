"""Small pipelines as documents, as KFP compiles them."""

from typing import Any

import pytest

from tests.rehearsal.compiled import Compiled

ARTIFACT = {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}


def component(name: str, outputs: tuple[str, ...] = (), **inputs: str) -> dict[str, Any]:
    """A component of strings; ``inputs``: the type of each parameter."""
    return {
        "executorLabel": f"exec-{name}",
        "inputDefinitions": {"parameters": {key: {"parameterType": kind} for key, kind in inputs.items()}},
        "outputDefinitions": {
            "parameters": {"Output": {"parameterType": "STRING"}},
            "artifacts": {key: {"artifactType": ARTIFACT} for key in outputs},
        },
    }


def task(name: str, *after: str, **parts: Any) -> dict[str, Any]:
    """A task of the component of its name."""
    return {"componentRef": {"name": f"comp-{name}"}, "dependentTasks": list(after), **parts}


def executor(image: str = "python:1") -> dict[str, Any]:
    """A container that gets its executor input."""
    return {"container": {"image": image, "command": ["python", "-m", "step"], "args": ["--input", "{{$}}"]}}


@pytest.fixture
def gated() -> Compiled:
    """``make`` decides, ``use`` runs where it returned ``go``; ``final`` is the exit handler of both."""
    decided = {"taskOutputParameter": {"outputParameterKey": "Output", "producerTask": "make"}}
    condition = {"triggerPolicy": {"condition": "inputs.parameter_values['pipelinechannel--make-Output'] == 'go'"}}
    made = {"taskOutputArtifact": {"outputArtifactKey": "data", "producerTask": "make"}}
    whole = {
        "make": task("make", retryPolicy={"maxRetryCount": 1}),
        "condition": {
            **task("condition", "make"),
            **condition,
            "inputs": {
                "parameters": {"pipelinechannel--make-Output": decided},
                "artifacts": {"pipelinechannel--make-data": made},
            },
        },
        "after": task("after", "condition"),
    }
    inner = {
        "use": task("use", inputs={"artifacts": {"data": {"componentInputArtifact": "pipelinechannel--make-data"}}})
    }
    status = {"status": {"taskFinalStatus": {"producerTask": "exit-handler"}}}
    outer = {
        "exit-handler": task("exit-handler"),
        "final": task(
            "final",
            "exit-handler",
            inputs={"parameters": status},
            triggerPolicy={"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
        ),
    }
    steps = {name: component(name) for name in ("use", "after", "final")}
    steps["make"] = component("make", ("data",))
    groups = {"condition": inner, "exit-handler": whole}
    return Compiled(
        {
            "pipelineInfo": {"name": "gated"},
            "root": {"dag": {"tasks": outer}},
            "components": {f"comp-{name}": one for name, one in steps.items()}
            | {f"comp-{name}": {"dag": {"tasks": tasks}} for name, tasks in groups.items()},
            "deploymentSpec": {"executors": {f"exec-{name}": executor() for name in steps}},
        },
        {},
    )
