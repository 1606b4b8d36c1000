import json

import pytest

from benchmarks.monitoring_faults import __main__ as command
from benchmarks.monitoring_faults.faults import FAULTS
from benchmarks.monitoring_faults.others import OTHERS
from benchmarks.monitoring_faults.table import EXPECTED
from benchmarks.monitoring_faults.world import World


def test_every_fault_of_the_table_can_be_injected():
    assert FAULTS.keys() == EXPECTED.keys()
    assert not OTHERS.keys() & EXPECTED.keys()


def test_the_same_seed_gives_the_same_days():
    one, other = World(4, 200).day(3), World(4, 200).day(3)

    assert one.table.equals(other.table)
    assert one.counts == other.counts
    assert not one.table.equals(World(5, 200).day(3).table)


def test_faults_are_found_in_small_days(monkeypatch):
    monkeypatch.setattr(command, "_BEFORE", 16)
    names = ["constant", "empty", "all_fallbacks", "item_constant"]

    found = command.faults_of(1001, names, 1000)

    assert [(one.fault, one.right) for one in found] == [(name, True) for name in names]


def test_the_last_line_is_a_json_object(monkeypatch, capsys):
    results = [command.Result(name, 1, True, 1, "watch", "x") for name in (*EXPECTED, *OTHERS)]
    monkeypatch.setattr(command, "faults_of", lambda *given: results)
    monkeypatch.setattr(command, "ProcessPoolExecutor", _Here)
    monkeypatch.setattr(command, "quiet_months", lambda seed, months, rows: [command.Month(2, ("a.b",) * 2, 3, 9)])
    monkeypatch.setattr("sys.argv", ["monitoring_faults", "--seeds", "1", "--quiet", "1"])

    assert command.main() == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["faults"], last["faults_right"], last["others_right"]) == (22, 22, len(OTHERS))
    assert (last["months_calm"], last["broken"], last["bars"]["calm_months"]) == (0.0, 1, False)


class _Here:
    """A pool that runs everything at once, in this process."""

    def __init__(self, processes: int) -> None:
        self.processes = processes

    def __enter__(self) -> "_Here":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def submit(self, call, *given):
        found = call(*given)
        return type("Done", (), {"result": lambda self: found})()


def test_an_unknown_fault_is_refused(monkeypatch):
    monkeypatch.setattr("sys.argv", ["monitoring_faults", "--faults", "gremlins"])

    with pytest.raises(SystemExit):
        command.main()
