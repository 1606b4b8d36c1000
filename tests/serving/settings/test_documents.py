"""One reader of settings: of a file and of a text, with the same limits and messages."""

from pathlib import Path

import pytest

from serving.errors import EndpointError
from serving.settings.documents import json_object


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1]", r"expected an object such as \{\}.*; found \[1\]"),
        ("{", "expected JSON.*; found none"),
        ('{"a": 1, "a": 2}', "expected every key once.*; found 'a' is given twice"),
        ("[" * 40 + "]" * 40, "expected lists and mappings at most 32 deep.*; found deeper ones"),
    ],
)
def test_a_file_and_a_text_are_refused_alike(tmp_path: Path, text: str, found: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EndpointError, match=f"^here: {found}"):
        json_object(text, "here", "{}")
    with pytest.raises(EndpointError, match=f"^here: {found}") as error:
        json_object(file, "here", "{}")
    assert f" in {file}; found " in str(error.value)


def test_an_object_is_read_and_a_missing_file_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"a": [1]}', encoding="utf-8")
    assert json_object(tmp_path / "settings.json", "here", "{}") == json_object('{"a": [1]}', "here", "{}")
    with pytest.raises(EndpointError, match=r"here: expected JSON in .*nowhere; found no such file"):
        json_object(tmp_path / "nowhere", "here", "{}")
