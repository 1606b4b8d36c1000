"""The reference page lists every key of the schema with its type, bounds, default, example and meaning."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from models.configs.bounds import bounds_of
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.spec import Spec
from models.spec.base import Days, Name
from models.spec.edges import Affinity, FanOut
from models.spec.examples import NUMBERS, example_text, examples, parts
from models.spec.gate import Ratios
from models.spec.reference import keys, reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "spec.md"


def rows(page: str) -> dict[tuple[str, str], list[str]]:
    """(Part, key) -> the cells of its row."""
    found, part = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ")
        elif line.startswith("| `"):
            key, *cells = re.split(r"(?<!\\)\|", line.strip("|"))
            found[part, key.strip(" `")] = [cell.strip() for cell in cells]
    return found


def schema_keys() -> Iterator[tuple[str, str]]:
    """Every (part, key) of the schema, as pydantic's own JSON schema lists them."""
    schema = Spec.model_json_schema(by_alias=True)
    for part, document in {"Spec": schema, **schema["$defs"]}.items():
        yield from ((part, key) for key in document["properties"])


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_key_has_a_meaning() -> None:
    found = rows(reference())
    assert set(found) == set(schema_keys())
    assert len(found) > 150
    without = [key for key, cells in found.items() if len(cells[-1].split()) < 2]
    assert not without


def test_every_key_has_a_type_a_default_and_an_example() -> None:
    for key, (kind, _, default, example, _) in rows(reference()).items():
        assert kind, key
        assert default, key
        assert example, key


def test_every_example_fits_its_key() -> None:
    given = examples()
    for part in parts():
        if issubclass(part, BaseModel):
            for name, field in part.model_fields.items():
                kind = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
                TypeAdapter(kind).validate_python(given[part, field.alias or name])  # raises ValidationError
    for part in (ModelConfig, TrainingConfig):
        for name, bound in bounds_of(part).items():
            assert bound.holds(given[part, name]), name


def test_every_written_number_is_one_of_its_part() -> None:
    for part, numbers in NUMBERS.items():
        assert set(numbers) <= set(part.__annotations__)


def test_defaults_of_nested_parts_are_shown() -> None:
    found = rows(reference())
    assert found["Windows", "graph"][2] == "`{days: 35}`"
    assert found["Windows", "validate"][2] == "`{days: 7, after: train}`"
    assert found["Spec", "gate"][2] == "the defaults of [Gate](#gate)"
    assert found["Spec", "oracle"][2] == "none"
    assert found["Spec", "edges"][2] == "required"
    assert found["Gate", "mean_ratio"][2] == "`[0.8, 1.25]`"


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        (Annotated[int, Field(ge=1, le=20_000)], "1 to 20,000"),
        (Annotated[float, Field(gt=0, lt=1)], "above 0, below 1"),
        (Annotated[float | None, Field(ge=0)], "0 or more"),
        (Days | None, "above 0, at most 3,660"),
        (FanOut, "1 or more entries, each 0 to 200"),
        (Annotated[list[Name], Field(min_length=1, max_length=2)], "1 to 2 entries, each a name"),
        (dict[Name, Annotated[float, Field(le=0.5)]], "each at most 0.5"),
        (Ratios, "two numbers: 0.001 to 1, then 1 to 1,000"),
        (Annotated[str, Field(pattern="^[a-z]$")], "`^[a-z]$`"),
        (bool, ""),
    ],
)
def test_bounds_come_from_the_type(kind: Any, bounds: str) -> None:
    class Part(BaseModel):
        key: kind = Field(default=None, description="Something.")

    (key,) = keys(Part, {})
    assert key.bounds == bounds
    assert (key.default, key.example, key.meaning) == ("none", "", "Something.")


def test_a_key_without_a_default_or_meaning() -> None:
    class Part(BaseModel):
        key: int

    (key,) = keys(Part, {(Part, "key"): 3})
    assert key == ("`key`", "int", "", "required", "`3`", "")


def test_inherited_keys_come_last() -> None:
    names = [key.name for key in keys(Affinity, {})]
    assert names[0] == "`engagement`"
    assert names[-1] == "`strategy`"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("vector[16]", '"vector[16]"'),
        ("yes", '"yes"'),
        ("3", '"3"'),
        (True, "true"),
        (None, "null"),
        ([], "[]"),
        ({}, "{}"),
        ([1, 2, 3, 4, 5], "[1, 2, 3, 4, ...]"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "{a: 1, b: 2, c: 3, ...}"),
        ({"a": {"b": {"c": 1}}, "d": 1, "e": 2}, "{a: {b: {...}}, d: 1, ...}"),
    ],
)
def test_an_example_is_one_line_of_yaml(value: Any, text: str) -> None:
    assert example_text(value) == text
