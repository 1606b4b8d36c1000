"""Limits as a user writes them: every mistake is one clear error."""

from pathlib import Path

import pytest

from serving.errors import EndpointError
from serving.settings.limits import Limits, parse_limits, read_limits


def test_missing_limits_have_their_defaults(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    file.write_text('{"concurrent": 4, "wait_seconds": 1}', encoding="utf-8")
    assert read_limits(file) == Limits(concurrent=4, wait_seconds=1)
    assert parse_limits("{}", "limits") == Limits()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "here: expected JSON; found none"),
        ("[4]", r"here: expected an object such as .*; found \[4\]"),
        ('{"concurent": 4}', r"here: expected limits \(body_bytes, .*\); found 'concurent'"),
        ('{"concurrent": 4.0}', "here: expected a whole number above 0 as concurrent; found 4.0"),
        ('{"concurrent": true}', "found True"),
        ('{"concurrent": "4"}', "found '4'"),
        ('{"concurrent": null}', "found None"),
        ('{"concurrent": 0}', "found 0"),
        ('{"waiting": -1}', "as waiting; found -1"),
        ('{"wait_seconds": 0}', "here: expected a number above 0 as wait_seconds; found 0"),
        ('{"wait_seconds": NaN}', "found nan"),
        ('{"wait_seconds": Infinity}', "found inf"),
        ('{"wait_seconds": true}', "found True"),
        ('{"deadline_seconds": 12, "drain_seconds": 5.5}', "of at most 17 together.* found 12 and 5.5"),
        ('{"waiting": 1, "waiting": 1000}', "here: expected every key once; found 'waiting' is given twice"),
        ("[" * 100_000, "here: expected lists and mappings at most 32 deep"),
        ('{"waiting": ' + 5000 * "9" + "}", "here: expected JSON; found Exceeds the limit"),
        (" " * (4 << 20) + "{}", "here: expected at most 4194304 characters; found 4194306"),
        ('{"body_bytes": 8388608}', "message_bytes of at least body_bytes .8388608.; found 4194304"),
        ('{"message_bytes": 2147483648}', "above 0 and below 2147483648 as message_bytes; found 2147483648"),
    ],
)
def test_an_invalid_limit_is_named(text: str, message: str) -> None:
    with pytest.raises(EndpointError, match=message):
        parse_limits(text, "here")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match=r"expected JSON in .*nowhere\.json; found no such file"):
        read_limits(tmp_path / "nowhere.json")
