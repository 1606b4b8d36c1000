"""YAML and JSON as a person writes them: one meaning a value, and an end to everything."""

import gc
import math
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.documents import DEEPEST, DocumentError, document_text, read_json
from models.yaml_documents import MOST_CHARACTERS, MOST_VALUES, read_document

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_what_has_one_meaning_is_read_as_ever(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert read_document(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-0", 0), ("+3", 3)),
        *(("1e3", 1000.0), ("1E-5", 1e-5), ("1.5e+3", 1500.0), (".5", 0.5), ("5.", 5.0), ("-.inf", -math.inf)),
        *(("2026-01-31", date(2026, 1, 31)), ("y", "y"), ("n", "n"), ("1.2.3", "1.2.3"), ("=", "="), ("tRUE", "tRUE")),
        *(("'010'", "010"), ('"yes"', "yes"), ("!!str 12:30", "12:30"), ("|\n  no", "no"), ('{b: []}', {'b': []})),
    ],
)  # fmt: skip
def test_a_plain_value(text: str, value: Any) -> None:
    found = read_document(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["yes", "No", "ON", "off", "Yes", "NO"])
def test_a_word_that_some_take_for_true_or_false(text: str) -> None:
    message = rf'^a\.b: expected true or false, or "{text}" in quotes for the text; found {text}, which YAML parsers'
    with pytest.raises(DocumentError, match=message):
        read_document(f"a: {{b: {text}}}")


@pytest.mark.parametrize(
    "text",
    [
        *("010", "-010", "0777", "089", "0o17", "0x1F", "0b11", "1_000", "1_000.5", "0_7", "1_", "00.5", "1e1_0"),
        *("12:30:00", "12:30", "1:2", "190:20:30.15", "2026-01-01 12:30:00", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_number_that_readers_take_for_different_ones(text: str) -> None:
    with pytest.raises(DocumentError, match=r"in quotes for the text; found .*, which YAML parsers read") as caught:
        read_document(f"windows:\n  train:\n    days: {text}\n")
    assert caught.value.key == "windows.train.days"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1: x", r"found '1' \(line 1\)"),
        ("a:\n  true: x", r"^a: expected keys that are texts.* found 'true' \(line 2\)"),
        ("null: x", "found 'null'"),
        ("2026-01-01: x", "found '2026-01-01'"),
        ("on: x", r"^on: expected true or false, or \"on\" in quotes"),
        ("010: x", "^010: expected a number in decimal digits"),
        ("[a]: x", "found a list, a mapping or an alias"),
        ("a: &x b\n*x : c", "found a list, a mapping or an alias"),
        ("a: !!int 3", "^a: expected a value without a tag; found !!int"),
        ("a: !!python/object:os.system x", "expected a value without a tag"),
        ("a: !!set {b}", "found !!set"),
        ("a: 1\n---\nb: 2", "expected one document"),
        ("a: {b: 1, 'b': 2}", r"'b' is given twice in one mapping in a \(line 1\)"),
        ("a: {<<: {b: 1}, <<: {c: 1}}", "'<<' is given twice"),
        ("a: &x [*x]", r"^a\.0: expected an anchor &x that ends before its alias"),
        ("a: *x", "^a: expected an anchor &x"),
        ("a: &x 1\nb: &x 2", "^b: expected every anchor once"),
        ("a: &x 3\nb: {<<: *x}", "^b: expected mappings behind `<<`; found int"),
        ("a: 2026-02-30", "found a: 2026-02-30"),
        ("a: \0", "expected YAML"),
        ("a: \ud800", "expected YAML"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_document(text)


LONG = {
    "nine nested aliases": "\n".join(
        ["a0: &i0 [x]", *(f"a{i}: &i{i} [{', '.join([f'*i{i - 1}'] * 10)}]" for i in range(1, 10))]
    ),
    "many merges": "a0: &a0 {x: 1}\n"
    + "\n".join(f"a{i}: &a{i} {{k{i}: 1, <<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 2000)),
    "merges of merges in flow": "a: [&a0 {x: 1}, "
    + ", ".join(f"&a{i} {{<<: [{f'*a{i - 1}, ' * 50}]}}" for i in range(1, 300))
    + "]",
    "deep lists": "a: " + "[" * 1_000_000,
    "deep JSON": '{"a": ' * 100_000,
    "deep lists in JSON": '{"a": ' + "[" * 1_000_000,
    "deep dashes": "- " * 500_000,
    "deep questions": "? " * 500_000,
    "deep by indent": "".join(" " * i + "a:\n" for i in range(1000)),
    "deep by aliases": "a0: &b0 [x]\n" + "\n".join(f"a{i}: &b{i} [*b{i - 1}]" for i in range(1, 100)),
    "many keys": "\n".join(f"a{i}: 1" for i in range(90_000)),
    "many keys of JSON": "{" + ", ".join(f'"a{i}": 1' for i in range(70_000)) + "}",
    "one key of JSON twice": "{" + ", ".join(f'"a{i}": 1' for i in range(70_000)) + ', "a1": 1}',
    "many characters": "a: " + "x" * MOST_CHARACTERS,
}  # fmt: skip


@pytest.fixture
def no_collection() -> Iterator[None]:
    """No garbage collection: it would walk everything that other tests left in the process, for a second or more."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_nothing_takes_long(text: str) -> None:
    began = time.thread_time()
    with pytest.raises(DocumentError):
        read_document(text)
    assert time.thread_time() - began < 1


def test_aliases_and_merges_within_the_bounds() -> None:
    merges = "\n".join(f"a{i}: &a{i} {{k{i}: 1, <<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 26))
    assert len(read_document("a0: &a0 {x: 1}\n" + merges)["a25"]) == 26
    assert read_document("a: &x {b: 1, c: 2}\nd: {c: 3, <<: *x}") == {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}
    assert read_document("a: {<<: [{b: 1}, {b: 2, c: 3}]}") == {"a": {"b": 1, "c": 3}}


def test_the_bounds_themselves() -> None:
    assert len(read_document("a: '" + "x" * 100_000 + "'")["a"]) == 100_000
    assert len(read_document(f"[{'1, ' * (MOST_VALUES - 1)}]")) == MOST_VALUES - 1
    read_document("[" * DEEPEST + "]" * DEEPEST)
    read_json('{"a": ' * DEEPEST + "1" + "}" * DEEPEST)


def test_nothing_is_nothing() -> None:
    assert read_document("") is None
    assert read_document("# a comment") is None
    assert read_document("\ufeff{}") == {}


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "a folder"),
        (tmp_path / "nowhere", "no such file"),
        (Path("/dev/zero"), "no such"),
    ):
        with pytest.raises(DocumentError, match=f"expected a spec; found {message}"):
            document_text(path, "a spec")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DocumentError, match=r"of at most 16777216 bytes; found 1099511627776"):
        document_text(tmp_path / "large", "a spec")


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\udfff": 1}', '["\\ud800"]'])
def test_half_of_a_pair_is_no_text(text: str) -> None:
    with pytest.raises(DocumentError, match="lone UTF-16 surrogate"):
        read_json(text)
