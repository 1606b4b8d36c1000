"""The spec's reference page, out of the schema itself: ``python -m models.spec.reference > docs/spec.md``."""

import dataclasses
import typing
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from models.spec.schema import Spec

_HEAD = """# The spec

One YAML says everything about a product. `configs/professional.yaml` is a worked example. This page is made from the
schema (`python -m models.spec.reference > docs/spec.md`); a test holds that it is up to date.

**Values.** A value is of the type that its key says, and never turned into one: `days: true`, `days: "14"` and
`days: 14.0` are errors. What readers of YAML take for different things is refused without quotes: `yes`, `no`, `on`,
`off`, `010`, `0x1f`, `1_000`, `12:30`, a date with a time; `1e-3` is a number. Keys are texts, each stands once, tags
are refused. Aliases and merges (`<<`) are taken, counted as what they stand for: at most 10,000 values, 32 lists and
mappings deep, a million characters. JSON is read too.

**Names.** Tables, columns, features, tasks and counters have at most 61 letters, digits and `_`, a letter first.
Engines do not tell upper from lower case: `Clicked` beside `clicked` is an error. Context, features and counters have
no column's name of the served log or of a request (`position`, `score`, `model`, `probability_...`), nothing has one of
our own tables (`window`, `frozen_time`, `valid_from`, `created`, ...); the error lists them (`models/columns.py`)."""


def reference() -> str:
    """The page as Markdown: one table a part, in the order in which parts are met."""
    blocks, waiting = [_HEAD], list[type]([Spec])
    seen = set(waiting)
    while waiting:
        part = waiting.pop(0)
        rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
        for name, kind, default, meaning in _fields(part):
            rows.append(f"| `{name}` | {_text(kind)} | {default} | {meaning} |")
            for inner in _parts(kind):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)
        blocks.append(f"## {part.__name__}\n\n{_first_paragraph(part)}\n\n" + "\n".join(rows))
    return "\n\n".join(blocks) + "\n"


def _fields(part: Any) -> Iterator[tuple[str, Any, str, str]]:
    if issubclass(part, BaseModel):
        own_first = sorted(part.model_fields.items(), key=lambda item: item[0] not in part.__annotations__)
        for name, field in own_first:
            default = "required" if field.default is PydanticUndefined else _value(field.default)
            yield field.alias or name, field.annotation, default, field.description or ""
        return
    meanings = _docstrings(part)
    hints = typing.get_type_hints(part)
    for item in dataclasses.fields(part):
        yield item.name, hints[item.name], _value(item.default), meanings.get(item.name, "")


def _docstrings(part: type) -> dict[str, str]:
    """The docstring under each field of a dataclass."""
    import ast
    import inspect

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


def _parts(kind: Any) -> Iterator[type]:
    """Parts of the spec that a type mentions."""
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        yield kind
    for inner in typing.get_args(kind):
        yield from _parts(inner)


def _text(kind: Any) -> str:
    if isinstance(kind, type) and not typing.get_args(kind):
        linked = list(_parts(kind))
        return f"[{kind.__name__}](#{kind.__name__.lower()})" if linked else kind.__name__
    if typing.get_origin(kind) is typing.Annotated:
        return _text(typing.get_args(kind)[0])
    inner = ", ".join(_text(argument) for argument in typing.get_args(kind) if argument is not type(None))
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(f"`{argument}`" for argument in typing.get_args(kind))
    if origin in (dict, list):
        return f"{'list' if origin is list else 'mapping'} of {inner}"
    return inner or str(kind).replace("|", "or")


def _value(value: Any) -> str:
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return "see there"
    return "none" if value is None else f"`{value}`"


def _first_paragraph(part: type) -> str:
    return " ".join((part.__doc__ or "").split("\n\n")[0].split())


if __name__ == "__main__":
    print(reference(), end="")
