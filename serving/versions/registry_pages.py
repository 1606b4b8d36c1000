"""Pagination of MLflow searches."""

from collections.abc import Callable
from typing import Any


def all_results(search: Callable[[str | None], Any]) -> list[Any]:
    """Collect all pages of a search; ``search`` takes the page's token, None for the first page."""
    page = search(None)
    found = list(page)
    while page.token:
        page = search(page.token)
        found += page
    return found
