"""Errors of an adapter's own code."""

from pathlib import Path

import pandas as pd
import pytest

from feature_repo.sources.adapters import adapter
from feature_repo.sources.errors import AdapterError, SourceError
from feature_repo.sources.reading import explained, read
from models.clock import ClockError
from tests.feature_repo.sources.fakes import small_spec


@pytest.mark.parametrize("found", [None, [], "tables"])
def test_something_else_than_tables_is_named(found: object) -> None:
    with pytest.raises(AdapterError, match=r"adapter fake: expected read\(spec, data\) to return a dict"):
        read(small_spec(), lambda spec, data: found, None)  # type: ignore[arg-type,return-value]


def test_an_exception_is_a_sentence_with_the_last_line_of_the_adapter() -> None:
    def inner() -> None:
        pd.DataFrame({"member": [1]})["two\nlines"]  # raised in a file of pandas

    with pytest.raises(AdapterError) as caught, explained("shop", "read(spec, data)", __file__):
        inner()
    sentence = str(caught.value)
    assert sentence.startswith(
        r"adapter shop: expected read(spec, data) without an error; found KeyError: 'two\nlines' ("
    )
    assert f"test_reading.py, line {inner.__code__.co_firstlineno + 1})" in sentence
    assert caught.value.__cause__ is not None  # its trace is in the log


@pytest.mark.parametrize("error", [SourceError("told"), ClockError("told"), ModuleNotFoundError("no module", name="x")])
def test_errors_that_say_themselves_what_to_do_are_left(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained("shop", "this"):
        raise error
    assert caught.value is error


def test_an_adapter_that_cannot_be_imported_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import feature_repo.sources as package

    (tmp_path / "shopping.py").write_text("TABLES = {}\ndef read(spec, data)\n    return {}\n", encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    with pytest.raises(AdapterError, match=r"adapter shopping: .* found SyntaxError.*shopping\.py, line 2\)"):
        adapter("shopping")
    with pytest.raises(SourceError, match=r"expected one of kuairand, professional, tables, or .*; found 'other'"):
        adapter("other")
