"""What deploy/Dockerfile promises of every target, read from its text."""

import re

import pytest

from deploy.images.build import DOCKERFILE
from deploy.images.check import BOUNDS, GB
from deploy.images.dockerfile import needed, sources, stages
from deploy.images.engine import ROOT
from deploy.images.errors import ImageError
from deploy.images.lock import LOCKS, SOURCES
from models.version import VERSION, image

TEXT = (ROOT / DOCKERFILE).read_text(encoding="utf-8")
STAGES = stages(TEXT)
TARGETS = sorted(BOUNDS)


def test_the_targets_are_there_and_named_by_the_version() -> None:
    assert set(TARGETS) == {"serve", "pipeline", "spark", "train"} <= set(STAGES)
    assert set(re.findall(r"heliograph-python:\S+", TEXT)) == {image("serve")}
    assert f"ARG VERSION={VERSION}\n" in TEXT


@pytest.mark.parametrize("target", TARGETS)
def test_the_last_stage_installs_no_package_of_python_and_drops_root(target: str) -> None:
    last = STAGES[target]
    assert last.instructions[-1][0] == "CMD"
    assert last.arguments("USER") == ["1000:1000"]
    assert last.arguments("VOLUME") == ['["/tmp", "/work"]']
    lines = [given for name in (target, "runtime", "base") for given in STAGES[name].arguments("RUN")]
    assert not [line for line in lines if re.search(r"pip |gcc|g\+\+|build-essential|python3-dev", line)]
    assert len(last.arguments("HEALTHCHECK")) == (target == "serve")


def test_the_page_on_operations_has_the_largest_sizes() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, below = page.partition("| size at most |\n")
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")] for line in below.split("\n\n")[0].split("\n")[1:]
    ]
    assert {name: float(size.removesuffix(" GB")) * GB for name, *_, size in rows} == {
        target: bounds.size for target, bounds in BOUNDS.items()
    }


@pytest.mark.parametrize("target", TARGETS)
def test_the_code_comes_after_the_packages(target: str) -> None:
    copies = STAGES[target].arguments("COPY")
    assert copies[0] == f"--from={target}-files /opt/heliograph /opt/heliograph"
    early = {str(path) for path in sources(f"{target}-packages", STAGES)}
    assert early <= {
        "pyproject.toml",
        "deploy/images/pins.py",
        *(f"constraints{x}.txt" for x in ("", "-cpu", "-train")),
        *(f"{LOCKS}/{name}.txt" for name in SOURCES),
    }
    assert {f"{LOCKS}/{target}.txt", f"{LOCKS}/build.txt"} <= early


@pytest.mark.parametrize("target", TARGETS)
def test_packages_are_those_of_the_lock_and_the_build_checks_it(target: str) -> None:
    (line,) = STAGES[f"{target}-packages"].arguments("RUN")
    own = "constraints-train.txt" if target == "train" else "constraints-cpu.txt"
    assert line.startswith(f"pip install --require-hashes --no-deps --no-build-isolation -r {LOCKS}/{target}.txt && ")
    assert f"python deploy/images/pins.py constraints.txt {own} && pip check" in line
    assert line.count("pip install") == 1


def test_every_package_but_our_own_is_installed_by_its_hash() -> None:
    lines = [line for stage in STAGES.values() for line in stage.arguments("RUN")]
    commands = [words for line in lines for words in re.findall(r"pip install ([^&]+)", line)]
    assert len(commands) == len(SOURCES) + 1
    (own,) = [words for words in commands if not words.startswith("--require-hashes --no-deps ")]
    assert own == "--no-deps --no-build-isolation --config-settings editable_mode=compat -e ."


def test_the_predictor_holds_no_code_of_the_pipelines() -> None:
    folders = {str(path) for path in sources("serve", STAGES)}
    assert {"models", "feature_repo", "serving", "configs"} <= folders
    assert not folders & {"components", "pipelines", "monitoring", "tests", "benchmarks"}


@pytest.mark.parametrize("target", ["pipeline", "spark", "train"])
def test_a_component_finds_its_code_and_the_feature_stores_configuration(target: str) -> None:
    folders = {str(path) for path in sources(target, STAGES)}
    assert {"models", "feature_repo", "serving", "monitoring", "components", "pipelines", "configs"} <= folders
    assert not folders & {"tests", "benchmarks"}


def test_only_arguments_say_where_packages_come_from() -> None:
    assert [stage.base for stage in STAGES.values()].count("${BASE_IMAGE}") == 1
    assert not re.findall(r"https?://(?!127\.0\.0\.1)", TEXT)
    assert not [line for line in TEXT.splitlines() if re.match(r"ARG PIP_\w+=", line)]


def test_labels() -> None:
    (line,) = STAGES["runtime"].arguments("LABEL")
    assert {"version", "source", "licenses"} <= set(re.findall(r"org\.opencontainers\.image\.(\w+)=", line))


def test_stages_are_read() -> None:
    one = "# x\nARG A\nFROM ${A} AS one\nRUN a && \\\n  # why\n  b\n"
    text = one + "FROM one AS two\nCOPY x y/\nFROM one AS three\nCOPY --from=two /y /y\n"
    every = stages(text)
    assert every["one"].instructions == [("RUN", "a && b")]
    assert needed("three", every) == ["three", "one", "two"]
    assert [str(path) for path in sources("three", every)] == ["x"]
    assert stages("") == {}
    with pytest.raises(ImageError, match="expected a target"):
        needed("four", every)
