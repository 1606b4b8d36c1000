"""The tiny professional network that many tests share, and the order of the parallel run."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import models.garbage  # noqa: F401 - first: the test files import hundreds of modules
from tests import fuzzing

if TYPE_CHECKING:  # imported where it is used: most test files need neither the spec nor the adapters
    from xdist.scheduler import LoadScopeScheduling

    from models.spec import Spec

PROFESSIONAL = Path(__file__).parent.parent / "configs" / "professional.yaml"

TOGETHER = {
    "tests/docs/test_examples.py": "spark",
    "tests/feature_repo/stores/offline/test_spark.py": "spark",
    "tests/feature_repo/test_cluster.py": "spark",
    "tests/models/graph/test_engine.py": "spark",
    "tests/models/graph/test_everything.py": "spark",
    "tests/serving/packages/test_contract.py": "packages",
    "tests/serving/packages/test_packages.py": "packages",
    "tests/serving/packages/test_torchserve.py": "packages",
}
"""Files that share what takes long to start, so that one worker runs them. Java outlives Spark's sessions: it starts
once, and knows Spark's classes already. The servers of the packages are one of each."""

fuzzing.load_profile()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Prepare the property tests; on a worker of ``-n``, put the files that take longest first (marker ``long``)."""
    for item in items:
        fuzzing.prepare(item)
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: expected a name that is the same on every worker. Give it ids=")
    if not hasattr(config, "workerinput"):
        return
    seconds: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("long")
        seconds[item.path] = max(seconds.get(item.path, 0.0), mark.args[0] if mark else 0.0)
    items.sort(key=lambda item: -seconds[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadScopeScheduling | None":
    """With ``--dist loadfile``, give the files that stand ``TOGETHER`` to one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return TOGETHER.get(file, file)

    return ByFile(config, log)


def pytest_collection_finish() -> None:
    """Leave the hundreds of thousands of objects of the imported modules out of garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seed that fresh examples were drawn from."""
    if fuzzing.NIGHTLY:
        terminalreporter.write_line(f"fuzz seed: {fuzzing.SEED} (make fuzz SEED={fuzzing.SEED} repeats it)")


@pytest.fixture(scope="session")
def tiny_spec() -> "Spec":
    """The default spec with a tiny world (6 thousand impressions) and a model that trains in seconds."""
    from models.spec import parse_spec

    document = yaml.safe_load(PROFESSIONAL.read_text(encoding="utf-8"))
    document["source"]["options"]["size"] = "tiny"
    document["model"] = {"width": 16, "graph_tokens": 2, "activities": 8}
    document["training"] = {"epochs": 1}
    return parse_spec(yaml.safe_dump(document, sort_keys=False), "professional.yaml (tiny)")


@pytest.fixture(scope="session")
def tiny_tables(tiny_spec: "Spec", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny world's canonical tables. Shared: read only."""
    from feature_repo.sources.ingest import ingest

    folder = tmp_path_factory.mktemp("tiny") / "tables"
    ingest(tiny_spec, None, folder)
    return folder


@pytest.fixture(scope="session")
def shared_s3() -> Iterator[str]:
    """The endpoint of an S3 server, which takes two seconds to start. Shared: a test has buckets of its own."""
    from tests.s3_server import running_s3

    with running_s3() as endpoint:
        yield endpoint
