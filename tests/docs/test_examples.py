"""Every example of the pages runs, against a worker of a small professional world. One that cannot says why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.examples import TESTED, Example, ExampleError, Place, examples, independent, run
from benchmarks.faults.professional import example_place
from benchmarks.served_world import ROOT

pytestmark = pytest.mark.long(90)

FOUND = independent()
SLOW = "Spark("


def marked(example: Example) -> Any:
    slow = [pytest.mark.slow] if SLOW in example.text else []
    return pytest.param(example, id=str(example), marks=slow)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with example_place(tmp_path_factory.mktemp("place")) as found:
        yield found


@pytest.mark.parametrize("example", [marked(example) for example in FOUND if not example.reason])
def test_an_example_runs(example: Example, place: Place) -> None:
    run(example, place)


def test_what_is_not_run_says_why() -> None:
    reasons = {str(example): example.reason for example in FOUND if example.reason}
    print(*(f"{where} is not run: {reason}" for where, reason in reasons.items()), sep="\n")
    assert all(len(reason.split()) >= 4 for reason in reasons.values()), reasons
    pages = (
        "operations",
        "features",
        "recurring",
        "runbook",
        "pagerank_attention",
        "results/graph",
        "results/collaborative",
    )
    allowed = {"README.md", "CONTRIBUTING.md", *(f"docs/{name}.md" for name in pages)}
    assert {where.split(":")[0] for where in reasons} <= allowed
    assert len(reasons) < len(FOUND) / 3


def test_every_page_with_examples_is_looked_at() -> None:
    pages_of_docs = ("serving", "operations", "features", "recurring", "graph", "pyg")
    assert {"README.md", "CONTRIBUTING.md", *(f"docs/{name}.md" for name in pages_of_docs)} <= {e.page for e in FOUND}
    assert all((ROOT / "tests" / "docs" / f"test_{Path(page).stem}.py").is_file() for page in TESTED)
    assert sum(example.page == "docs/serving.md" and not example.reason for example in FOUND) >= 6


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("```sh\nfalse\ntrue\n```", "status 1"),
        ("```shell\ncurl -s $URL/v2/models/nobody\n```", "status 22"),
        (
            '```json\n{"instances": [{"member": 17, "items": [53], "context": {"surface": "push"}}]}\n```',
            "expected 200; found 400",
        ),
        ('```json\n{"item": 53}\n```', "expected the fields|KeyError"),
        ("```python\nfrom models import nothing_of_that_name\n```", "ImportError"),
        ("```yaml\nedges:\n  clicked: {strategie: uniform}\n```", "strategie"),
        ("```\nanything\n```", "expected a block of one of"),
        ("```ruby\nputs 1\n```", "expected a block of one of"),
    ],
)
def test_a_new_example_that_does_not_work_is_found(block: str, reason: str, place: Place, tmp_path: Path) -> None:
    page = tmp_path / "new.md"
    page.write_text(f"# New\n\n{block}\n", encoding="utf-8")
    (example,) = examples(page)
    assert (example.line, example.reason) == (3, "")
    with pytest.raises(ExampleError, match=reason):
        run(example, place)


def test_blocks_are_taken_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: takes an hour -->\n\n~~~sh\n```\n~~~\ntext\n```yaml\na: 1\n\n```\n", encoding="utf-8"
    )
    first, second = examples(page)
    assert (first.language, first.text, first.reason) == ("sh", "```\n", "takes an hour")
    assert (second.language, second.text, second.reason, second.line) == ("yaml", "a: 1\n\n", "", 7)
    page.write_text("```sh\n", encoding="utf-8")
    with pytest.raises(ExampleError, match="expected the block to end"):
        examples(page)
    assert ROOT.is_dir()
