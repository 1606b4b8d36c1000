"""Output of a benchmark."""

import json
from collections.abc import Mapping


def show(title: str, figures: Mapping[str, float | int | str]) -> None:
    """Print the figures as a table and, last, as one line of JSON."""
    width = max(map(len, figures))
    print(title)
    for name, value in figures.items():
        print(f"  {name:<{width}}  {value:,.2f}" if isinstance(value, float) else f"  {name:<{width}}  {value}")
    print(json.dumps({"benchmark": title, **figures}))
