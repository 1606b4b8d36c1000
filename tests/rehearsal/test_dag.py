from typing import Any

import pytest

from tests.rehearsal.compiled import Compiled, CompiledError
from tests.rehearsal.conftest import ARTIFACT
from tests.rehearsal.dag import FAILED, SUCCEEDED, Outcome, Task, Walker, holds


class Executed:
    """Runs nothing: remembers the tasks, and ends each as a test says."""

    def __init__(self, returned: str = "go", failing: tuple[str, ...] = ()) -> None:
        self.returned, self.failing = returned, failing
        self.tasks: list[str] = []
        self.given: dict[str, Task] = {}

    def __call__(self, task: Task, attempt: int) -> Outcome:
        self.tasks.append(task.name)
        self.given[task.name] = task
        if task.name in self.failing:
            return Outcome(FAILED)
        made = [{"name": "data", "type": ARTIFACT, "uri": f"s3://bucket/{task.name}/data"}]
        return Outcome(SUCCEEDED, {"Output": self.returned}, {"data": made})


def walked(pipeline: Compiled, executed: Executed) -> str:
    return Walker(pipeline, executed, "run-1").run({}).state


def test_a_condition_that_holds_runs_its_tasks_on_the_artifacts_of_others(gated: Compiled) -> None:
    executed = Executed()
    assert walked(gated, executed) == SUCCEEDED
    assert executed.tasks == ["make", "use", "after", "final"]
    (found,) = executed.given["use"].artifacts["data"]
    assert found["uri"] == "s3://bucket/make/data"
    assert executed.given["final"].parameters["status"]["state"] == SUCCEEDED


def test_a_condition_that_does_not_hold_skips_its_tasks_and_those_behind_it(gated: Compiled) -> None:
    executed = Executed(returned="hold")
    assert walked(gated, executed) == SUCCEEDED
    assert executed.tasks == ["make", "final"]


def test_the_exit_handler_runs_after_a_failure_that_no_retry_mended(gated: Compiled) -> None:
    executed = Executed(failing=("make",))
    assert walked(gated, executed) == FAILED
    assert executed.tasks == ["make", "make", "final"]
    assert executed.given["final"].parameters["status"]["state"] == FAILED


def test_an_exit_handler_that_fails_fails_the_run(gated: Compiled) -> None:
    assert walked(gated, Executed(failing=("final",))) == FAILED


def test_a_loop_is_refused(gated: Compiled) -> None:
    gated.pipeline["components"]["comp-condition"]["dag"]["tasks"]["use"]["parameterIterator"] = {}
    with pytest.raises(CompiledError, match="without a loop"):
        walked(gated, Executed())


@pytest.mark.parametrize(
    ("condition", "parameters", "expected"),
    [
        ("inputs.parameter_values['a'] == 'x'", {"a": "x"}, True),
        ("inputs.parameter_values['a'] == 'x'", {}, False),
        ("inputs.parameter_values['a'] == true && inputs.parameter_values['b'] > 1", {"a": True, "b": 2}, True),
        ("!(inputs.parameter_values['a'] == 'x') || false", {"a": "x"}, False),
    ],
)
def test_conditions(condition: str, parameters: dict[str, Any], expected: bool) -> None:
    assert holds(condition, parameters) is expected
