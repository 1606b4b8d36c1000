"""The mutation runner: what it changes, what it leaves alone, and that the working tree stays as it is."""

import tomllib
from pathlib import Path

import pytest

from tests import mutants
from tests.mutants import TABLE, Runner, Target, measure, ranked, targets
from tests.mutations import Mutant, mutant, places

CODE = '''"""A module."""
Number = int | None


def double(x: int | None, check: "int | str" = 1) -> int | None:
    if isinstance(x, int | bool) and x > 2:
        raise ValueError(x)
    print("doubled")
    return x * 2
'''


def found(tmp_path: Path, *operators: str) -> list[Mutant]:
    (tmp_path / "code.py").write_text(CODE, encoding="utf-8")
    return [one for place in places(tmp_path, ["code.py"], operators) if (one := mutant(tmp_path, place))]


@pytest.mark.parametrize(
    ("operator", "lines"),
    [
        ("ReplaceBinaryOperator_Mul_Add", ["    return x + 2"]),
        ("ReplaceComparisonOperator_Gt_GtE", ["    if isinstance(x, int | bool) and x >= 2:"]),
        ("RemoveCall", ["    pass"]),
        ("RemoveRaise", ["        pass"]),
        ("ReplaceBinaryOperator_BitOr_BitAnd", []),  # types alone
    ],
)
def test_a_mutant_changes_one_place(tmp_path: Path, operator: str, lines: list[str]) -> None:
    every = found(tmp_path, operator)
    assert [line[1:] for one in every for line in one.diff().splitlines()[2:] if line.startswith("+")] == lines
    assert all(one.before == CODE for one in every)


def test_the_table_names_operators_of_the_tool_and_files_that_exist() -> None:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    assert all(target.modules and target.tests for target in targets(table, mutants.ROOT))
    assert list(places(mutants.ROOT, ["models/metrics.py"], table["operators"]))


def test_unknown_names_and_globs_without_a_file_are_refused(tmp_path: Path) -> None:
    table = {"targets": {"one": {"modules": ["none/*.py"], "tests": []}}}
    with pytest.raises(SystemExit, match="--only: expected some of one; found two"):
        targets(table, tmp_path, ["two"])
    with pytest.raises(SystemExit, match=r"one: expected files that match none/\*.py; found none"):
        targets(table, tmp_path)


def test_the_tests_of_a_module_run_first(tmp_path: Path) -> None:
    for name, text in (("test_a.py", ""), ("test_b.py", "import models.one"), ("test_one.py", "")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert ranked(tmp_path, ["test_a.py", "test_b.py", "test_one.py"], "models/one.py") == [
        "test_one.py", "test_b.py", "test_a.py",
    ]  # fmt: skip


def test_survivors_are_separated_from_the_killed_in_copies_of_the_tree(tmp_path: Path) -> None:
    """One mutant that a test sees, one that none sees, one that never ends."""
    before = (mutants.ROOT / "models" / "time_units.py").read_text(encoding="utf-8")
    target = Target("units", ("models/time_units.py",), ("tests/models/test_time_units.py",), "not serial")
    changed = {
        "same": before + "\nUNSEEN = 1\n",
        "wrong": before + "\nSECOND = 7\n",
        "late": before + "\nwhile True:\n    pass\n",
    }
    chosen = [Mutant("models/time_units.py", name, 0, before, after) for name, after in changed.items()]
    runner = Runner(tmp_path)
    assert [one.operator for one in measure(runner, target, chosen, slack=3.0)] == ["same"]
    assert (mutants.ROOT / "models" / "time_units.py").read_text(encoding="utf-8") == before
    assert {(tmp_path / copy / "models" / "time_units.py").read_text(encoding="utf-8") for copy in "01"} == {before}


def test_without_a_mutation_the_tests_must_pass(tmp_path: Path) -> None:
    target = Target("units", (), ("tests/models/test_time_units.py",), "real_logs")  # no test at all
    with pytest.raises(SystemExit, match="units: expected the tests to pass without a mutation"):
        measure(Runner(tmp_path), target, [])
