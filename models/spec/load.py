"""Loading a spec from YAML or JSON, with errors that name file, key, what was expected and what was found."""

from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from models.configs.check import out_of_bounds
from models.documents import DOCUMENT, DocumentError, document_text
from models.spec.base import display
from models.spec.decisions import follows
from models.spec.errors import SpecError
from models.spec.references import check_references
from models.spec.schema import Spec
from models.yaml_documents import read_document


def load_spec(path: str | Path) -> Spec:
    """Read and check the spec at ``path``. Raises SpecError."""
    try:
        text = document_text(Path(path), "a spec in YAML")
    except DocumentError as error:
        raise SpecError(str(path), error.key, error.expected, error.found) from None
    return parse_spec(text, str(path))


def parse_spec(text: str, file: str = "(spec)") -> Spec:
    """Read and check a spec from its text (YAML or JSON); ``file`` names it in errors. Raises SpecError."""
    try:
        document = read_document(text)
    except DocumentError as error:
        raise SpecError(file, error.key, error.expected, error.found) from None
    if not isinstance(document, dict):
        raise SpecError(file, DOCUMENT, "a mapping of keys", type(document).__name__)
    try:
        spec = Spec.model_validate(document)
    except ValidationError as error:
        raise _spec_errors(error, file) from None
    for key, expected, found in out_of_bounds(spec.model, spec.training):
        raise SpecError(file, key, expected, found)
    for key in spec.by_data:
        if key not in (known := follows(spec)):
            raise SpecError(file, "by_data", f"keys out of {', '.join(known)}", repr(key))
    check_references(spec, file)
    return spec


def _spec_errors(error: ValidationError, file: str) -> SpecError:
    """The first of pydantic's errors, with the first of every other block (such as ``tasks.click``)."""
    blocks: dict[tuple[int | str, ...], ErrorDetails] = {}
    for finding in error.errors():
        blocks.setdefault(finding["loc"][:2], finding)
    first, *more = (_spec_error(finding, file) for finding in blocks.values())
    first.more = tuple(more)
    return first


def _spec_error(finding: ErrorDetails, file: str) -> SpecError:
    """Convert one of pydantic's errors."""
    key = ".".join(str(part) for part in finding["loc"] if part != "[key]") or DOCUMENT
    found = display(finding.get("input"))
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
    message = message.removeprefix("Input should be ")
    if finding["type"] == "string_type" and isinstance(finding.get("input"), int | float):
        message += f', such as "{found}" in quotes'
    return SpecError(file, key, message[0].lower() + message[1:], found)
