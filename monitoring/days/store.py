"""Where a product's summaries are: ``monitoring/<product>/days/<day>.json`` below the storage."""

import json
from datetime import date
from typing import Any

from models.storage import join, names, read_bytes, write_bytes
from monitoring.days.summary import DaySummary
from monitoring.errors import SummaryError

_SUFFIX = ".json"


def write_day(storage: str, product: str, summary: DaySummary, inputs: str) -> str:
    """Write a summary, whole or not at all, in place of an earlier one of its day; return the address.

    ``inputs``: a digest of what it was made from. Raises OSError if it cannot be written.
    """
    address = _address(storage, product, summary.day)
    document = {"inputs": inputs, "summary": summary.to_json()}
    write_bytes(address, json.dumps(document, allow_nan=False).encode())
    return address


def inputs_of(storage: str, product: str, day: str) -> str | None:
    """The digest of the inputs of a day's summary; None without a summary that can be read: make it again."""
    try:
        return str(_document(storage, product, day)["inputs"])
    except (FileNotFoundError, SummaryError):
        return None


def read_days(storage: str, product: str, first: str = "", before: str = "9") -> list[DaySummary]:
    """The summaries of the days from ``first`` on and before ``before`` (ISO-8601), oldest first.

    Other files in the folder are not looked at. Raises SummaryError for a file that is not the summary of its day, and
    OSError if one cannot be read.
    """
    found = []
    for name in names(join(storage, "monitoring", product, "days")):
        day = name.removesuffix(_SUFFIX)
        if name.endswith(_SUFFIX) and _is_day(day) and first <= day < before:
            summary = DaySummary.from_json(_document(storage, product, day)["summary"])
            if summary.day != day:
                raise SummaryError(f"{name}: expected the summary of {day}; found that of {summary.day!r}. Remove it")
            found.append(summary)
    return found


def _document(storage: str, product: str, day: str) -> dict[str, Any]:
    address = _address(storage, product, day)
    try:
        document = json.loads(read_bytes(address))
        if document.keys() >= {"inputs", "summary"} and isinstance(document["summary"], dict):
            return dict(document)
    except (ValueError, AttributeError):
        pass
    raise SummaryError(f"{address}: expected a summary and the digest of its inputs; found something else. Remove it")


def _address(storage: str, product: str, day: str) -> str:
    return join(storage, "monitoring", product, "days", f"{day}{_SUFFIX}")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
