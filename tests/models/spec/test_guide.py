"""The guide's snippets are specs: each fits the worked example."""

import re
from pathlib import Path

import pytest
import yaml

from models.spec import parse_spec

ROOT = Path(__file__).resolve().parents[3]
SNIPPETS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "graph.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=[snippet.split(":")[0] for snippet in SNIPPETS])
def test_a_snippet_fits_the_worked_example(snippet: str) -> None:
    document = yaml.safe_load((ROOT / "configs" / "professional.yaml").read_text(encoding="utf-8"))
    for part, entries in yaml.safe_load(snippet).items():
        for name, keys in entries.items():
            document.setdefault(part, {})[name] = {**document.get(part, {}).get(name, {}), **keys}
    parse_spec(yaml.safe_dump(document), "docs/graph.md")


def test_every_derived_part_is_shown() -> None:
    shown = {part for snippet in SNIPPETS for part in yaml.safe_load(snippet)}
    assert shown >= {"edges", "affinities", "densification", "pageranks"}
