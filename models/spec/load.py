"""Reading a spec: YAML -> ``Spec``, with errors that name file, key, expected and found."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from models.spec.errors import SpecError
from models.spec.references import check_references
from models.spec.schema import Spec
from models.training.bounds import out_of_bounds


def load_spec(path: str | Path) -> Spec:
    """Read and check the spec at ``path``. Raises SpecError."""
    path = Path(path)
    if not path.is_file():
        raise SpecError(str(path), "(file)", "a spec in YAML", "no such file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(str(path), "(file)", "text in UTF-8", f"byte {error.object[error.start]:#04x}") from None
    return parse_spec(text, str(path))


def parse_spec(text: str, file: str = "(spec)") -> Spec:
    """Read and check a spec from its text (YAML or JSON); ``file`` names it in errors. Raises SpecError."""
    try:
        document = _read(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: such as a 13th month
        raise SpecError(file, "(document)", "YAML", " ".join(str(error).split())) from error
    if not isinstance(document, dict):
        raise SpecError(file, "(document)", "a mapping of keys", type(document).__name__)
    try:
        spec = Spec.model_validate(document)
    except ValidationError as error:
        raise _first(error, file) from None
    for key, expected, found in out_of_bounds(spec.model, spec.training):
        raise SpecError(file, key, expected, found)
    check_references(spec, file)
    return spec


def _read(text: str) -> Any:
    """JSON as JSON (YAML 1.1 reads its 1e-05 as a string), anything else as YAML."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=_unique)
        except json.JSONDecodeError:
            pass  # a mapping in YAML's flow style
    return yaml.load(text, Loader=_UniqueKeys)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, _ in pairs:
        if [other for other, _ in pairs].count(key) > 1:
            raise yaml.YAMLError(f"key {key!r} stands twice in one mapping")
    return dict(pairs)


class _UniqueKeys(yaml.SafeLoader):
    """YAML silently keeps the last of two equal keys; a spec must not. What a merge (``<<``) brings may be replaced."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key[1]!r} stands twice in one mapping{node.start_mark}")
        return node


def _first(error: ValidationError, file: str) -> SpecError:
    """The first of pydantic's findings, in our words."""
    finding = error.errors()[0]
    key = ".".join(str(part) for part in finding["loc"] if part != "[key]") or "(document)"
    found = repr(finding.get("input"))
    if len(found) > 120:
        found = found[:117] + "..."
    if finding["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return SpecError(file, key, "a key that the schema knows", f"unknown key {str(finding['loc'][-1])!r}")
    if finding["type"] in ("missing", "missing_argument"):
        return SpecError(file, key, "this key", "nothing")
    message = finding["msg"].removeprefix("Value error, ")
    if message.startswith("expected ") and "; found " in message:
        expected, found = message.removeprefix("expected ").split("; found ", 1)
        return SpecError(file, key, expected, found)
    if ": expected " in message and "; found " in message:
        inner, rest = message.split(": expected ", 1)
        expected, found = rest.split("; found ", 1)
        return SpecError(file, f"{key}.{inner}", expected, found)
    return SpecError(file, key, message[0].lower() + message[1:], found)
