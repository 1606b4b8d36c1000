"""The garbage collector of a process that begins with ``models.garbage``."""

import subprocess
import sys

import pytest

from models.garbage import RARELY

NOTED = """
import gc, {module}, models.garbage
print(gc.get_threshold())
models.garbage.collect_as_usual()
print(gc.get_threshold())
class Ring:
    def __init__(self): self.ring = self
    def __del__(self): print("scanned")
ring = Ring()
del ring
{end}
"""


def printed(module: str, end: str) -> list[str]:
    code = NOTED.format(module=module, end=end)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize(
    "module",
    ["components.step", "pipelines.__main__", "serving.__main__", "serving.server.process", "feature_repo.__main__"],
)
def test_a_process_collects_rarely_until_it_is_told_to_as_usual(module: str) -> None:
    assert printed(module, "gc.collect()") == [str(RARELY), "(700, 10, 10)", "scanned"]


def test_at_the_exit_nothing_is_scanned() -> None:
    assert printed("models.garbage", "") == [str(RARELY), "(700, 10, 10)"]


@pytest.mark.parametrize("end", ["", "raise ValueError('boom')", "import sys; sys.exit('told')"])
def test_an_end_says_what_it_should_and_no_more(end: str) -> None:
    code = f"import models.garbage, duckdb\nduckdb.connect().execute('select 1').fetchall()\n{end}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1 if end else 0, "")
    assert done.stderr.strip().splitlines()[-1:] == {"": [], "r": ["ValueError: boom"], "i": ["told"]}[end[:1]]
