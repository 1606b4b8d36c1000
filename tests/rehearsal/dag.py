"""Walks the tasks of a compiled pipeline in their order, as Kubeflow Pipelines does: one at a time."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.rehearsal.compiled import Compiled, CompiledError

SUCCEEDED, FAILED, SKIPPED = "SUCCEEDED", "FAILED", "SKIPPED"
_ALWAYS = "ALL_UPSTREAM_TASKS_COMPLETED"
_CHANNEL = re.compile(r"inputs\.parameter_values\['([^']+)'\]")


@dataclass(frozen=True)
class Task:
    """A task that is ready to run."""

    name: str
    component: Mapping[str, Any]
    label: str
    """Its executor."""
    parameters: Mapping[str, Any]
    artifacts: Mapping[str, list[dict[str, Any]]]
    """KFP's runtime artifacts by input."""
    cached: bool = False
    """Whether the pipeline lets KFP take its outputs from an earlier run."""


@dataclass(frozen=True)
class Outcome:
    """How a task or a group of tasks ended, and its outputs."""

    state: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """Inputs of a group of tasks, and the outcomes of the tasks that have ended."""

    parameters: Mapping[str, Any]
    artifacts: Mapping[str, list[dict[str, Any]]]
    ended: dict[str, Outcome] = field(default_factory=dict)


class Walker:
    """Runs the tasks of one pipeline run; ``execute`` runs one attempt of a task."""

    def __init__(self, compiled: Compiled, execute: Callable[[Task, int], Outcome], run: str) -> None:
        self._compiled, self._execute = compiled, execute
        self._placeholders = {"{{$.pipeline_job_uuid}}": run, "{{$.pipeline_job_name}}": f"{compiled.name}-{run[:5]}"}

    def run(self, parameters: Mapping[str, Any]) -> Outcome:
        """Run the pipeline; raises CompiledError for a pipeline that this walker does not know."""
        root = self._compiled.pipeline["root"]
        given = {**_defaults(root), **parameters}
        return self._group(root, Scope(given, {}))

    def _group(self, component: Mapping[str, Any], scope: Scope) -> Outcome:
        """Run the tasks of a group. After a failure only those run that run whatever happens."""
        tasks = component["dag"]["tasks"]
        failed = False
        for name in _ordered(tasks):
            task = tasks[name]
            always = task.get("triggerPolicy", {}).get("strategy") == _ALWAYS
            before = [scope.ended[one].state for one in task.get("dependentTasks", [])]
            if not always and (failed or any(state != SUCCEEDED for state in before)):
                scope.ended[name] = Outcome(SKIPPED)
                continue
            scope.ended[name] = self._task(name, task, scope)
            failed |= scope.ended[name].state == FAILED
        given = component["dag"].get("outputs", {})
        return Outcome(FAILED if failed else SUCCEEDED, *_outputs(given, scope))

    def _task(self, name: str, task: Mapping[str, Any], scope: Scope) -> Outcome:
        component = self._compiled.component(task["componentRef"]["name"])
        if "parameterIterator" in task or "artifactIterator" in task:
            raise CompiledError(f"{name}: expected a task without a loop; found one")
        inputs = task.get("inputs", {})
        parameters = {**_defaults(component), **self._parameters(inputs.get("parameters", {}), scope)}
        artifacts = _artifacts(inputs.get("artifacts", {}), scope)
        condition = task.get("triggerPolicy", {}).get("condition")
        if condition is not None and not holds(condition, parameters):
            return Outcome(SKIPPED)
        if "dag" in component:
            return self._group(component, Scope(parameters, artifacts))
        cached = bool(task.get("cachingOptions", {}).get("enableCache"))
        ready = Task(name, component, component["executorLabel"], _typed(component, parameters), artifacts, cached)
        outcome = Outcome(FAILED)
        for attempt in range(1 + int(task.get("retryPolicy", {}).get("maxRetryCount", 0))):
            outcome = self._execute(ready, attempt)
            if outcome.state != FAILED:
                break
        return outcome

    def _parameters(self, given: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        found = {}
        for name, source in given.items():
            if "componentInputParameter" in source:
                if source["componentInputParameter"] in scope.parameters:
                    found[name] = scope.parameters[source["componentInputParameter"]]
            elif "taskOutputParameter" in source:
                output = source["taskOutputParameter"]
                outputs = scope.ended[output["producerTask"]].parameters
                if output["outputParameterKey"] in outputs:
                    found[name] = outputs[output["outputParameterKey"]]
            elif "runtimeValue" in source:
                found[name] = self._filled(source["runtimeValue"]["constant"])
            elif "taskFinalStatus" in source:
                producer = source["taskFinalStatus"]["producerTask"]
                found[name] = {"state": scope.ended[producer].state, "pipelineTaskName": producer, "error": {}}
                found[name]["pipelineJobResourceName"] = self._placeholders["{{$.pipeline_job_name}}"]
            else:
                raise CompiledError(f"{name}: expected a known source of a parameter; found {sorted(source)}")
        return found

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            for placeholder, text in self._placeholders.items():
                value = value.replace(placeholder, text)
        return value


def holds(condition: str, parameters: Mapping[str, Any]) -> bool:
    """Evaluate the condition of ``dsl.If``; an output that was never made makes it false."""
    named = _CHANNEL.findall(condition)
    if any(name not in parameters for name in named):
        return False
    text = _CHANNEL.sub(lambda found: repr(parameters[found[1]]), condition)
    text = re.sub(r"!\s*\(", " not (", text.replace("&&", " and ").replace("||", " or "))
    return bool(eval(text, {"__builtins__": {}, "true": True, "false": False, "int": int, "double": float}))


def _ordered(tasks: Mapping[str, Any]) -> list[str]:
    """The tasks' names, each after those that it waits for; otherwise by name."""
    done: list[str] = []
    waiting = sorted(tasks)
    while waiting:
        ready = [name for name in waiting if set(tasks[name].get("dependentTasks", [])) <= set(done)]
        if not ready:
            raise CompiledError(f"expected tasks that can be ordered; found a circle of {', '.join(waiting)}")
        done.append(ready[0])
        waiting.remove(ready[0])
    return done


def _artifacts(given: Mapping[str, Any], scope: Scope) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name, source in given.items():
        if "componentInputArtifact" in source:
            if source["componentInputArtifact"] in scope.artifacts:
                found[name] = scope.artifacts[source["componentInputArtifact"]]
        else:
            output = source["taskOutputArtifact"]
            outputs = scope.ended[output["producerTask"]].artifacts
            if output["outputArtifactKey"] in outputs:
                found[name] = outputs[output["outputArtifactKey"]]
    return found


def _outputs(given: Mapping[str, Any], scope: Scope) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The outputs of a group, each selected from one of its tasks that have it."""
    parameters, artifacts = {}, {}
    for name, output in given.get("parameters", {}).items():
        selectors = output.get("valueFromOneof", {}).get("parameterSelectors", [output.get("valueFromParameter")])
        for one in filter(None, selectors):
            made = scope.ended[one["producerSubtask"]].parameters
            if one["outputParameterKey"] in made:
                parameters[name] = made[one["outputParameterKey"]]
    for name, output in given.get("artifacts", {}).items():
        for one in output["artifactSelectors"]:
            made = scope.ended[one["producerSubtask"]].artifacts
            if one["outputArtifactKey"] in made:
                artifacts[name] = made[one["outputArtifactKey"]]
    return parameters, artifacts


def _defaults(component: Mapping[str, Any]) -> dict[str, Any]:
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    return {name: one["defaultValue"] for name, one in declared.items() if "defaultValue" in one}


def _typed(component: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers as integers: KFP's messages hold every number as a float."""
    declared = component.get("inputDefinitions", {}).get("parameters", {})
    whole = {name for name, one in declared.items() if one["parameterType"] == "NUMBER_INTEGER"}
    return {name: int(value) if name in whole else value for name, value in parameters.items()}
