"""Mutation tests of the core: ``python -m tests.mutants`` changes one place at a time and runs the tests that guard it.

The mutations are Cosmic Ray's. They are made in copies of the working tree in a temporary folder, two at a time; the
working tree is only read. A mutant is killed when a test fails or the tests take three times as long as without it.
"""

import argparse
import compileall
import contextlib
import itertools
import os
import py_compile
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutations import Mutant, mutant, places

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "mutants.toml"
WORKERS = 2
SLACK, FACTOR = 30.0, 3.0
"""A mutant's tests may take ``SLACK`` seconds and ``FACTOR`` times the time without a mutation."""
MARKS = "not serial and not real_logs"


@dataclass(frozen=True)
class Target:
    """Modules, and the tests that should kill their mutants; paths relative to the root."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    marks: str


def targets(table: Mapping[str, Any], root: Path, only: Sequence[str] = ()) -> list[Target]:
    """The table's targets. Raises SystemExit if a glob matches no file or ``only`` names no target."""
    if unknown := set(only) - set(table["targets"]):
        raise SystemExit(f"--only: expected some of {', '.join(table['targets'])}; found {', '.join(sorted(unknown))}")
    found = []
    for name, row in table["targets"].items():
        if only and name not in only:
            continue
        without = _files(root, row.get("without", []), name)
        modules = tuple(path for path in _files(root, row["modules"], name) if path not in without)
        found.append(Target(name, modules, _files(root, row["tests"], name), row.get("marks", MARKS)))
    return found


def _files(root: Path, globs: Sequence[str], name: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for one in globs:
        paths = sorted(str(path.relative_to(root)) for path in root.glob(one))
        if not paths:
            raise SystemExit(f"{TABLE.name}: {name}: expected files that match {one}; found none")
        found |= dict.fromkeys(paths)
    return tuple(found)


def ranked(root: Path, tests: Sequence[str], module: str) -> list[str]:
    """The tests, first those named for the module, then those that mention it: the first failure ends a run."""
    stem, dotted = Path(module).stem, module.removesuffix(".py").replace("/", ".")

    def rank(test: str) -> int:
        if stem in Path(test).stem:
            return 0
        return 1 if dotted in (root / test).read_text(encoding="utf-8") else 2

    return sorted(tests, key=rank)


class Runner:
    """Copies of the working tree, one a worker, and the test processes that run in them."""

    def __init__(self, folder: Path) -> None:
        self._copies: queue.Queue[Path] = queue.Queue()
        self._running: set[subprocess.Popen[bytes]] = set()
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        for number in range(WORKERS):
            copy = folder / str(number)
            for name in filter(None, names):
                if (ROOT / name).is_file():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, copy / name)
            (copy / ".venv").symlink_to(ROOT / ".venv")
            # By content: mutants of one size that follow each other within a second must not share bytecode.
            compileall.compile_dir(copy, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
            self._copies.put(copy)

    def passes(self, target: Target, mutant: Mutant | None, timeout: float | None = None) -> bool:
        """Whether the tests pass in time, in a copy with that mutant. Threads may call it at once."""
        copy = self._copies.get()
        try:
            if mutant is None:
                return self._pytest(copy, list(target.tests), target.marks, timeout)
            (copy / mutant.module).write_text(mutant.after, encoding="utf-8")
            try:
                return self._pytest(copy, ranked(copy, target.tests, mutant.module), target.marks, timeout)
            finally:
                (copy / mutant.module).write_text(mutant.before, encoding="utf-8")
        finally:
            self._copies.put(copy)

    def _pytest(self, copy: Path, tests: list[str], marks: str, timeout: float | None) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-m", marks]
        command += [f"--basetemp={copy.parent / f'tmp{copy.name}'}", *tests]
        fixed = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, cwd=copy, env=os.environ | fixed, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._running.add(process)
        try:
            return process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            _kill(process)
            self._running.discard(process)

    def stop(self) -> None:
        """End the tests that run."""
        for process in list(self._running):
            _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and what it has started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def measure(runner: Runner, target: Target, chosen: Sequence[Mutant], slack: float = SLACK) -> list[Mutant]:
    """The mutants that survive. Raises SystemExit if the tests fail without a mutation."""
    begun = time.monotonic()
    if not runner.passes(target, None):
        raise SystemExit(f"{target.name}: expected the tests to pass without a mutation; found that they fail")
    timeout = slack + FACTOR * (time.monotonic() - begun)
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            alive = list(pool.map(lambda mutant: runner.passes(target, mutant, timeout), chosen))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()
            raise
    return [mutant for mutant, survives in zip(chosen, alive, strict=True) if survives]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the share killed of each target, the survivors as diffs, and the share of all."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=40, help="mutants of each target, drawn at random (40; 0 = all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (0)")
    parser.add_argument("--only", action="append", default=[], help="a target of tests/mutants.toml; may be repeated")
    given = parser.parse_args(arguments)
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    rows = targets(table, ROOT, given.only)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the copies and the tests that run go with it
    print(f"sample {given.sample or 'all'}, seed {given.seed}", flush=True)
    killed = tried = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        runner = Runner(Path(folder))
        for target in rows:
            every = list(places(ROOT, target.modules, table["operators"]))
            random.Random(f"{given.seed} {target.name}").shuffle(every)
            drawn = filter(None, (mutant(ROOT, place) for place in every))
            chosen = list(itertools.islice(drawn, given.sample or None))
            alive = measure(runner, target, chosen)
            killed, tried = killed + len(chosen) - len(alive), tried + len(chosen)
            print(_line(target.name, len(chosen) - len(alive), len(chosen)), f"of {len(every)} places", flush=True)
            for survivor in alive:
                print(survivor.diff(), flush=True)
    print(_line("all", killed, tried))
    return 0


def _line(name: str, killed: int, tried: int) -> str:
    return f"{name:12} killed {killed:4} / {tried:4} = {killed / max(tried, 1):6.1%}"


if __name__ == "__main__":
    sys.exit(main())
