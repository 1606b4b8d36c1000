"""What a search of MLflow finds, beyond its first page."""

from collections.abc import Callable
from typing import Any


def every(answer: Callable[[str | None], Any]) -> list[Any]:
    """All that a search of MLflow finds: it answers a page at a time, and a token where there is another one."""
    page = answer(None)
    found = list(page)
    while page.token:
        page = answer(page.token)
        found += page
    return found
