import json

import pytest

from tests.rehearsal.services import past_proxies
from tests.rehearsal.table import Table, expect


def broken() -> None:
    expect(False, "found something else")


def test_a_step_goes_on_after_one_that_broke_unless_it_needs_it(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    assert table.run("first", lambda: "well") == "well"
    table.run("second", broken)
    table.run("third", lambda: "never", "first", "second")
    table.run("fourth", lambda: "well", "first")
    assert [row.verdict for row in table.rows] == ["held", "broken", "broken", "held"]
    last = json.loads(table.last_line())
    assert (last["broken"], last["broken_steps"]) == (2, ["second", "third"])
    printed = capsys.readouterr().out
    assert "found something else" in printed
    assert "needs: second" in printed


def test_an_empty_table_has_nothing_broken() -> None:
    assert json.loads(Table().last_line())["broken"] == 0


def test_services_of_this_machine_are_reached_past_a_proxy() -> None:
    found = past_proxies({"HTTP_PROXY": "http://proxy", "NO_PROXY": "a.example"})
    assert found["NO_PROXY"] == "a.example,127.0.0.1,localhost"
    assert (found["no_proxy"], found["HTTP_PROXY"]) == ("127.0.0.1,localhost", "http://proxy")
