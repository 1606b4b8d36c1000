"""Commands of the pages, also those that no test runs: our programs know their options, and get what they need."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.examples import pages
from benchmarks.served_world import ROOT
from pipelines.__main__ import _parser as of_pipelines
from serving.__main__ import _parser as of_serving

PARSERS = {"pipelines": of_pipelines, "serving": of_serving}
_BLOCK = re.compile(r"```(?:sh|shell)\n(.*?)```", re.DOTALL)
_VARIABLE = re.compile(r'^(\w+)="([^"\n]*)"$', re.MULTILINE)
_COMMAND = re.compile(r"python -m (pipelines|serving) (.*)")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Program and arguments of each command in a page's blocks, variables of the block filled in."""
    found = []
    for block in _BLOCK.findall(text):
        block = block.replace("\\\n", " ")
        for name, value in _VARIABLE.findall(block):
            block = block.replace(f"${name}", value)
        for program, rest in _COMMAND.findall(block):
            plain = re.split(r"\s[|>&]", re.sub(r"<(\w+)>", r"\1", rest))[0]
            found.append((program, shlex.split(plain, comments=True)))
    return found


def refused(text: str) -> list[str]:
    """The commands that our programs would refuse."""
    wrong = []
    for program, arguments in commands(text):
        try:
            PARSERS[program]().parse_args(arguments)
        except SystemExit as end:
            if end.code:
                wrong.append(shlex.join([program, *arguments]))
    return wrong


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_are_those_of_the_programs(page: Path) -> None:
    assert refused(page.read_text(encoding="utf-8")) == []


def test_commands_are_found_and_what_they_lack() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [arguments[0] for program, arguments in commands(readme) if program == "pipelines"].count("submit") == 1
    text = '```sh\non="--target cluster"\npython -m serving up $on  # now\npython -m serving rise $on\n```\n'
    assert refused(text) == ["serving rise --target cluster"]
    assert refused("```shell\npython -m pipelines submit --spec a.yaml --host b \\\n  --specs c\n```\n") != []
    assert refused("") == []
