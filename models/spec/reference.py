"""Reference page of the spec, generated from the schema: ``python -m models.spec.reference > docs/spec.md``."""

import ast
import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from models.configs.bounds import bounds_of
from models.configs.defaults import DECIDED
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.spec.base import Allowed
from models.spec.examples import Examples, example_text, examples, field_types, parts, parts_of

_HEAD = """# The spec

One YAML file describes a product. `configs/professional.yaml` is a worked example. This page lists every key. It is
generated from the schema (`python -m models.spec.reference > docs/spec.md`), and a test checks that it is up to date.

**Types.** A value must have exactly the type of its key and is never converted: `days: true`, `days: "14"` and
`days: 14.0` are errors. A whole number is accepted where a float is expected. Values that YAML parsers read
differently need quotes: `yes`, `no`, `on`, `off`, `010`, `0x1f`, `1_000`, `12:30`, a date with a time. `1e-3` is a
number. Keys are texts, and a key may be given only once in a mapping. Tags are errors. JSON is accepted too.

**Limits.** A YAML file has at most 10,000 values, 32 nested lists and mappings, and 1,048,576 characters. Aliases and
merges (`<<`) count as what they expand to.

**Names.** A name has at most 61 letters, digits and `_`, and starts with a letter. SQL engines do not distinguish upper
from lower case, so `Clicked` beside `clicked` is an error. Some column names are reserved (`models/columns.py`):
context, features and counters must not use those of the served log or of a request (`position`, `score`, `model`,
`probability_...`), and no column may use those of our own tables (`window`, `frozen_time`, `valid_from`, `created`,
...).

**Columns of the tables.** *default*: the value where the key is not given; "required" means that there is none;
"by the data" that ingest decides (docs/model.md, "Defaults that follow the data"), the value beside it is that of
`by_data: {}`.
*example*: from the worked examples where they use the key; `...` stands for what is left out."""


_BY_DATA = {key.split(".")[1] for key in DECIDED}


class Key(NamedTuple):
    """One key of the spec, each field as Markdown."""

    name: str
    type: str
    bounds: str
    default: str
    example: str
    meaning: str


def reference() -> str:
    """The page as Markdown: one table for each part of the schema."""
    given = examples()
    return "\n\n".join([_HEAD, *(_section(part, given) for part in parts())]) + "\n"


def keys(part: type, given: Examples) -> Iterator[Key]:
    """The keys of a part."""
    described = _fields(part)
    for name, kind in field_types(part).items():
        bounds, default, meaning = described[name]
        example = given.get((part, name))
        shown = "" if example is None else f"`{example_text(example)}`"
        held = _default_text(default)
        followed = part in (ModelConfig, TrainingConfig) and name in _BY_DATA
        yield Key(f"`{name}`", _type_text(kind), bounds, f"by the data; {held}" if followed else held, shown, meaning)


def _section(part: type, given: Examples) -> str:
    rows = ["| key | type | bounds | default | example | meaning |", "|---|---|---|---|---|---|"]
    for key in keys(part, given):
        cells = (cell.replace("|", "\\|") for cell in key)
        rows.append("| " + " | ".join(cells) + " |")
    return f"## {part.__name__}\n\n{_first_paragraph(part)}\n\n" + "\n".join(rows)


def _fields(part: Any) -> dict[str, tuple[str, Any, str]]:
    """Bounds, default and meaning of each key."""
    if issubclass(part, BaseModel):
        return {
            field.alias or name: (
                _bounds_text(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation),
                field.default,
                field.description or "",
            )
            for name, field in part.model_fields.items()
        }
    meanings, bounds = _docstrings(part), bounds_of(part)
    return {
        field.name: (
            "" if isinstance(field.default, bool | str) else bounds[field.name].words,
            field.default,
            meanings.get(field.name, "").replace("``", "`"),
        )
        for field in dataclasses.fields(part)
    }


def _docstrings(part: type) -> dict[str, str]:
    """The docstring under each field of a dataclass."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(part)).body if isinstance(node, ast.ClassDef))
    found = {}
    for field, below in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _type_text(kind: Any) -> str:
    if isinstance(kind, type) and not get_args(kind):
        return f"[{kind.__name__}](#{kind.__name__.lower()})" if list(parts_of(kind)) else kind.__name__
    origin, arguments = get_origin(kind), [argument for argument in get_args(kind) if argument is not type(None)]
    if origin is Annotated:
        return _type_text(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(f"`{argument}`" for argument in arguments)
    if origin is dict:
        return f"mapping of {_type_text(arguments[0])} to {_type_text(arguments[1])}"
    if origin is list:
        return f"list of {_type_text(arguments[0])}"
    return " or ".join(_type_text(argument) for argument in arguments)


def _bounds_text(kind: Any) -> str:
    """The bounds in a type's annotations; those of a list's or mapping's values follow "each"."""
    if get_origin(kind) is not Annotated:
        inner = [argument for argument in get_args(kind) if argument is not type(None)]
        if get_origin(kind) in (list, dict):
            each = _bounds_text(inner[-1])
            return f"each {each}" if each else ""
        return ", ".join(filter(None, map(_bounds_text, inner))) if get_origin(kind) is not Literal else ""
    below, *metadata = get_args(kind)
    flat = [one for entry in metadata for one in getattr(entry, "metadata", [entry])]
    words = [entry.words for entry in flat if isinstance(entry, Allowed)]
    patterns = [f"`{entry.pattern}`" for entry in flat if getattr(entry, "pattern", None)]
    return ", ".join(filter(None, [*words, *patterns, _range_text(flat), _bounds_text(below)]))


def _range_text(metadata: list[Any]) -> str:
    limits = {type(entry): entry for entry in metadata}
    found = {
        name: getattr(limits[kind], name)
        for kind, name in (
            *((annotated_types.Ge, "ge"), (annotated_types.Gt, "gt"), (annotated_types.Le, "le")),
            *((annotated_types.Lt, "lt"), (annotated_types.MinLen, "min_length")),
            (annotated_types.MaxLen, "max_length"),
        )
        if kind in limits
    }
    if found.keys() >= {"ge", "le"}:
        found = {"both": f"{_number(found['ge'])} to {_number(found['le'])}", **_without(found, "ge", "le")}
    if found.keys() >= {"min_length", "max_length"}:
        entries = f"{found['min_length']} to {found['max_length']} entries"
        found = {"entries": entries, **_without(found, "min_length", "max_length")}
    formats = {
        **{"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"},
        **{"min_length": "{} or more entries", "max_length": "at most {} entries"},
    }
    return ", ".join(formats.get(name, "{}").format(_number(value)) for name, value in found.items())


def _without(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def _number(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default_text(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        value = value.model_dump(by_alias=True, exclude_unset=True) or type(value)
    if isinstance(value, type) or dataclasses.is_dataclass(value):
        name = value.__name__ if isinstance(value, type) else type(value).__name__
        return f"the defaults of [{name}](#{name.lower()})"
    return "none" if value is None else f"`{example_text(value)}`"


def _first_paragraph(part: type) -> str:
    return " ".join((part.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")


if __name__ == "__main__":
    print(reference(), end="")
