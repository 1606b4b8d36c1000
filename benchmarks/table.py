"""Output of a benchmark."""

import json
from collections.abc import Mapping


def show(title: str, figures: Mapping[str, float | int | str], bars: Mapping[str, bool]) -> int:
    """Print figures and bars as a table and, last, as one line of JSON with the number of broken bars.

    Returns the exit status: 1 if a bar did not hold, else 0.
    """
    width = max(map(len, [*figures, *bars]))
    print(title)
    for name, value in figures.items():
        print(f"  {name:<{width}}  {value:,.2f}" if isinstance(value, float) else f"  {name:<{width}}  {value}")
    for name, held in bars.items():
        print(f"  {name:<{width}}  {'held' if held else 'broken'}")
    broken = sum(not held for held in bars.values())
    print(json.dumps({"benchmark": title, **figures, "bars": dict(bars), "broken": broken}))
    return 1 if broken else 0
