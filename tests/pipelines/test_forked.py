"""Steps of a local run are forks of one process, and each is like a process of its own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kfp import dsl, local

from pipelines.errors import RunError
from pipelines.forked import MODULES, Template, forked_steps

SCRIPT = 'program_path=$(mktemp -d)\n_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main "$@"'


def command(body: str) -> list[str]:
    """KFP's command of a step, a component of that body."""
    source = "from kfp.dsl import *\n\ndef step() -> None:\n" + textwrap.indent(textwrap.dedent(body), "    ")
    executor = {"inputs": {}, "outputs": {"outputFile": os.devnull}}
    return ["sh", "-ec", SCRIPT, source, "--executor_input", json.dumps(executor), "--function_to_execute", "step"]


@pytest.fixture(autouse=True)
def runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the runner of the steps, whose output Python writes at once."""
    monkeypatch.setenv("HELIOGRAPH_RUNNER", str(os.getpid()))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")


@pytest.fixture
def template(tmp_path: Path) -> Iterator[Template]:
    with Template(tmp_path / "run.log", ["numpy.random"]) as made:
        yield made


def gone(process: int) -> bool:
    """Whether a process has ended; one that nobody has waited for counts."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True


def test_a_step_has_arguments_environment_and_output_of_its_own(
    template: Template, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_RUN", "yes")
    body = """
        import os, subprocess, sys
        print("first", file=sys.stderr)
        subprocess.run(["echo", "second"])
        print(os.environ["OF_THE_RUN"], os.environ["OF_THE_TASK"], os.environ["_KFP_RUNTIME"], "numpy" in sys.modules)
        os.environ["LEFT"] = "behind"
    """
    assert template.run(command(body), {"OF_THE_TASK": "too"}) == 0
    assert template.run(command("import os\nprint('nothing is left:', os.environ.get('LEFT'))")) == 0
    printed = [line for line in capfd.readouterr().out.splitlines() if line and line[0] not in "[ {}"]
    assert printed == ["first", "second", "yes too true True", "nothing is left: None"]


def test_kfp_local_runs_its_steps_in_forks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def double(number: int) -> int:
        import os
        import sys

        print("the parent is", os.getppid(), sys.argv[0])
        return number * 2

    with forked_steps(tmp_path / "run.log", ["numpy.random"]) as template:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=True)
        assert double(number=21).output == 42
    assert f"the parent is {template.process.pid} kfp.dsl.executor_main" in capfd.readouterr().out


def test_random_numbers_differ_between_steps(template: Template, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        template.run(command("import numpy, random\nprint('drawn', random.random(), numpy.random.random())"))
    drawn = [line.split()[1:] for line in capfd.readouterr().out.splitlines() if line.startswith("drawn")]
    assert len({number for numbers in drawn for number in numbers}) == 4


@pytest.mark.parametrize(
    ("body", "status", "printed"),
    [
        ("raise ValueError('no such day')", 1, "ValueError: no such day"),
        ("import os\nos._exit(7)", 7, ""),
        ("import os\nos.abort()", -signal.SIGABRT, "ended by SIGABRT"),
    ],
)
def test_a_step_that_fails_has_its_status(
    body: str, status: int, printed: str, template: Template, capfd: pytest.CaptureFixture[str]
) -> None:
    assert template.run(command(body)) == status
    assert printed in capfd.readouterr().out
    assert template.run(command("pass")) == 0  # of the same process


def test_a_step_that_loses_the_process_fails_and_says_why_and_the_next_one_has_another(
    template: Template, capfd: pytest.CaptureFixture[str]
) -> None:
    assert template.run(command("import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(60)")) == 1
    assert template.run(command("pass")) == 0
    assert capfd.readouterr().out.count("expected an exit status; found that it has ended with -9.") == 1


def test_an_import_that_fails_ends_the_run_not_one_that_is_missing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("print(1 / 0)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with Template(tmp_path / "log" / "run.log", ["not_there", "broken"]) as template:
        assert template.run(command("pass")) == 1
    assert "found that it has ended with 1. " in capfd.readouterr().out
    assert "ZeroDivisionError" in (tmp_path / "log" / "run.log").read_text(encoding="utf-8")


def test_another_command_is_refused(template: Template) -> None:
    with pytest.raises(RunError, match=r"and a script with '-m kfp\.dsl\.executor_main'; found \['sh', '-c'"):
        template.run(["sh", "-c", "pip install x", "sh", "-ec", SCRIPT])


def test_the_process_ends_with_the_context(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), forked_steps(tmp_path / "run.log", []) as template:
        raise KeyboardInterrupt
    assert template.process.returncode == 0


def test_process_and_step_end_with_a_runner_that_is_killed(tmp_path: Path) -> None:
    body = "import os, time\nprint('processes', os.getpid(), os.getppid())\ntime.sleep(60)"
    code = f"""
        import os
        os.environ["HELIOGRAPH_RUNNER"] = str(os.getpid())
        from pathlib import Path
        from pipelines.forked import Template
        with Template(Path({str(tmp_path / "run.log")!r}), []) as template:
            template.run({command(body)!r})
    """
    with subprocess.Popen([sys.executable, "-uc", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        line = next(line for line in runner.stdout if line.startswith("processes"))
        runner.kill()
    deadline = time.monotonic() + 30
    while not all(gone(int(process)) for process in line.split()[1:]):
        assert time.monotonic() < deadline, "a process outlived its runner"
        time.sleep(0.01)


def test_the_imports_start_no_thread_but_those_that_know_of_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """And leave nothing in the environment that belongs to their process."""
    body = """
        import os, threading, torch
        print("drawn", torch.rand(1).item())
        from prometheus_client import Counter
        assert threading.active_count() == 1
        assert os.environ["SPARK_LOCAL_IP"] and not [name for name in os.environ if name.startswith("PROMETHEUS_")]
        Counter("seen", "in this process").inc()
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # without the threads of OpenBLAS
    for name in ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR"):  # if this process has imported Feast
        monkeypatch.delenv(name, raising=False)
    with Template(tmp_path / "run.log", MODULES) as template:
        assert [template.run(command(body)) for _ in range(2)] == [0, 0]
        assert len({line for line in capfd.readouterr().out.splitlines() if line.startswith("drawn")}) == 2
        threads = Path(f"/proc/{template.process.pid}/task").glob("*/comm")
        names = sorted(thread.read_text().strip() for thread in threads)
        assert names[0] == "jemalloc_bg_thd"
        assert len(names) == 2
    assert (tmp_path / "run.log").read_text(encoding="utf-8") == ""
