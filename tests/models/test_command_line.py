"""How a command ends: one line for an error, and no word where nobody reads any more."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from models.clock import ClockError
from models.command_line import UNREAD, run_command, with_options

SHORT = """
import argparse, sys
from models.command_line import run_command

def run(options):
    print("a line", flush=True)
    sys.stdin.read()
    print("another line")
    return 0

sys.exit(run_command(argparse.ArgumentParser, run))
"""
ENDLESS = """
import argparse, sys
from models.command_line import run_command

def run(options):
    while True:
        print("a line of the output")

sys.exit(run_command(lambda: argparse.ArgumentParser(description="words " * 20_000), run))
"""


def parser() -> ArgumentParser:
    made = ArgumentParser()
    made.add_argument("--state", default="state")
    return made


def ending(error: BaseException, *arguments: str) -> int:
    def run(options: Namespace) -> int:
        raise error

    return run_command(parser, run, arguments, expected=lambda: (UnicodeError,), status=lambda error: 75)


@pytest.mark.parametrize(("arguments", "status"), [([], UNREAD), (["--help"], 0)])
def test_a_reader_that_has_enough_ends_a_command_without_a_word(arguments: list[str], status: int) -> None:
    given = [sys.executable, "-c", ENDLESS, *arguments]
    with subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(5)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == status


def test_a_last_line_that_nobody_reads_is_no_error() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SHORT], **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == UNREAD


def test_a_service_that_hangs_up_is_no_reader_that_has_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(BrokenPipeError("Broken pipe")) == 75
    assert capsys.readouterr().err.startswith("error: a service: expected a response; found: Broken pipe.")


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ClockError("the clock: odd"), UnicodeError("the text: odd"), FileNotFoundError(2, "No", "a")):
        assert ending(error) == 75
        found = capsys.readouterr().err
        assert found.startswith("error: ")
        assert found.count("\n") == 1
    assert ending(KeyboardInterrupt()) == 130
    with pytest.raises(ZeroDivisionError):
        ending(ZeroDivisionError())


def test_commands_in_an_error_carry_the_options_that_were_given(capsys: pytest.CaptureFixture[str]) -> None:
    ending(ClockError("Begin: python -m serving up"), "--state", "my shop")
    assert capsys.readouterr().err == "error: Begin: python -m serving up --state 'my shop'\n"
    ending(ClockError("Begin: python -m serving up"))
    assert capsys.readouterr().err == "error: Begin: python -m serving up\n"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            "(`python -m serving down`, then up)",
            "(`python -m serving down --target cluster --state a`, then up)",
        ),
        (
            "python -m serving promote --version)",
            "python -m serving promote --target cluster --state a --version)",
        ),
        ("python -m serving versions", "python -m serving versions --state a"),
        ("python -m pipelines prune removes", "python -m pipelines prune --state a removes"),
        ("python -m feature_repo repair.", "python -m feature_repo repair --state a --product shop."),
        ("python -m pipelines local --state b", "python -m pipelines local --state b"),
        ("python -m serving up --target cluster", "python -m serving up --state a --target cluster"),
        ("python -m pipelines check lists all", "python -m pipelines check lists all"),
        ("python -m serving keys", "python -m serving keys"),
    ],
)
def test_each_command_carries_what_it_takes(message: str, found: str) -> None:
    own = {"state": Path("a"), "target": "cluster", "product": "shop", "config": None}
    options = Namespace(model=None, namespace=None, tracking_uri=None, **own)
    assert with_options(message, options) == found
