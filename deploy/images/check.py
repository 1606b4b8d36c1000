"""What an image must be: small enough, without root, compilers and packages of other targets, and able to start."""

from dataclasses import dataclass

from deploy.images.build import Image
from deploy.images.engine import output
from deploy.images.errors import ImageError

GB = 10**9


@dataclass(frozen=True)
class Bounds:
    """What is checked of a target: bytes, modules that must be importable, and modules that must not be there."""

    size: int
    modules: tuple[str, ...]
    absent: tuple[str, ...] = ()


_COMPONENTS = (
    *("components.ingest", "components.train", "components.deploy", "pipelines.training"),
    *("kfp.dsl.executor_main", "evidently", "lightgbm"),
)
_LOCAL = ("envoy", "supervisor", "apscheduler", "bentoml", "ts", "pytest")
"""What no container needs."""
BOUNDS = {
    "serve": Bounds(
        2 * GB,
        ("serving.deployment.container", "serving.server.loading", "serving.ranking.reader", "serving.ranking.scorer"),
        (*_LOCAL, "kfp", "evidently", "pyspark", "lightgbm", "sklearn", "matplotlib"),
    ),
    "pipeline": Bounds(7 * GB // 2, _COMPONENTS, (*_LOCAL, "pyspark")),
    "spark": Bounds(5 * GB, (*_COMPONENTS, "pyspark"), _LOCAL),
    "train": Bounds(10 * GB, (*_COMPONENTS, "triton"), (*_LOCAL, "pyspark")),
}
_PROBE = """
import importlib, importlib.util, os, shutil, tempfile
assert os.getuid() == 1000, f"user: expected 1000; found {os.getuid()}"
for name in %(absent)r:
    assert importlib.util.find_spec(name) is None, f"{name}: expected no such package in this image"
for name in ("cc", "gcc", "g++", "c++", "clang"):
    assert shutil.which(name) is None, f"{name}: expected no compiler in this image"
for name in %(modules)r:
    importlib.import_module(name)
for folder in ("/tmp", "/work"):
    tempfile.TemporaryFile(dir=folder).close()
try:
    open("/heliograph/probe", "w")
except OSError:
    pass
else:
    raise AssertionError("/heliograph: expected a file system that cannot be written")
"""


def check(image: Image) -> None:
    """Start a container with few rights and import what the target needs. Raises ImageError.

    Its root file system is read-only, it has 2 GiB of memory and no capabilities, and can write /tmp and /work only.
    """
    bounds = BOUNDS[image.target]
    if image.size > bounds.size:
        limit, size = bounds.size / GB, image.size / GB
        raise ImageError(f"{image.name}: expected {limit:.1f} GB at most; found {size:.2f} GB")
    probe = _PROBE % {"absent": bounds.absent, "modules": bounds.modules}
    output(["podman", "run", "--rm", "--no-healthcheck", *CONFINED, image.identity, "python", "-c", probe])


CONFINED = (
    *("--read-only", "--user", "1000:1000", "--memory", "2g", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges"),
)
"""Options of a container with the rights that a pod of ours has."""
