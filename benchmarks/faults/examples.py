"""The examples of the documentation, copied as a reader would."""

from pathlib import Path

from benchmarks.examples import Example, independent, run
from benchmarks.faults.fault import Fault, expect
from benchmarks.faults.professional import example_place

_FEWEST = 14
_SERVING = ("docs/serving.md", "docs/operations.md")
"""Run first: they need the endpoint as it starts."""


def examples_run(folder: Path) -> str:
    """Every example of the serving pages, and every YAML of the others; tests/docs also runs the slower ones."""
    found = independent()
    silent = [str(one) for one in found if one.reason and len(one.reason.split()) < 4]
    expect(not silent, "a reason for every example that is not run", silent)
    ours = sorted((one for one in found if not one.reason and _quick(one)), key=lambda one: one.page not in _SERVING)
    with example_place(folder) as place:
        for one in ours:
            run(one, place)
    expect(len(ours) >= _FEWEST, f"{_FEWEST} examples or more", len(ours))
    return f"{len(ours)} examples ran; {sum(bool(one.reason) for one in found)} say why they cannot"


def _quick(example: Example) -> bool:
    return example.page in _SERVING or example.language == "yaml" or "SlateReader" in example.text


FAULTS = (Fault(22, "every example in the documentation works as described", examples_run),)
