"""Shared by several checks, created once: a small professional world, and a worker that serves it."""

import atexit
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.examples import Place
from benchmarks.faults.fault import expect
from benchmarks.served_world import ROOT, ServedWorld, build
from benchmarks.server_process import server_process
from feature_repo.store import open_store
from models.graph.build import build_graph
from serving.settings.limits import Limits


class Served(NamedTuple):
    """A world and a worker that serves it."""

    world: ServedWorld
    client: httpx.Client
    grpc: str
    """Address."""
    log: Path
    """Folder of the served log."""


def _lasting(stack: ExitStack) -> Path:
    """A temporary folder that exists until the process ends."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="professional_", ignore_cleanup_errors=True)))


@cache
def _stack() -> ExitStack:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack


@cache
def world() -> ServedWorld:
    """A small simulated network with random weights, on the embedded store."""
    return build(_lasting(_stack()), None)


@cache
def served_world() -> Served:
    """The world with a ready worker that runs until this process ends."""
    folder = _lasting(_stack())
    process = _stack().enter_context(server_process(world(), folder, Limits()))
    client = _stack().enter_context(httpx.Client(base_url=f"http://{process.address}", timeout=30, trust_env=False))
    awaited(lambda: process.process.poll() is not None or ready(client), f"a worker; see {process.log}")
    return Served(world(), client, process.grpc, folder / "served")


@contextmanager
def example_place(folder: Path) -> Iterator[Place]:
    """A small copy of a checkout after a demo run, and a worker of its product."""
    made = world()
    (folder / ".venv").symlink_to(sys.prefix)
    for name in ("configs", "deploy", "feature_repo"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "state").symlink_to(made.state)
    store = open_store(made.store_config)
    training_set = made.state.parent / "training_set"
    # Few edge types for the graphs of the examples: Spark takes seconds to build each, a model as many to train on it.
    edges = {name: made.spec.edges[name] for name in ("reacted", "written_by")}
    reached = {name: made.spec.edges[name] for name in ("clicked", "mentions_job", "offered_by")}
    derived: dict[str, Any] = {"affinities": {}, "densification": {}, "pageranks": {}}
    spec = made.spec.model_copy(update={"edges": edges, **derived})
    trained = spec.model_copy(update={"edges": edges | reached})  # every node type is the target of one
    build_graph(trained, made.tables, training_set, folder / "graph")
    names = {"spec": spec, "tables": made.tables, "training_set": training_set, "folder": folder / "built"}
    yield Place(folder, str(served_world().client.base_url), {**names, "store": store})


def awaited(condition: Callable[[], Any], what: str, seconds: float = 300.0) -> Any:
    """Wait until the condition returns something true; return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        expect(time.monotonic() < deadline, f"{what} within {seconds:g} s", "nothing")
        time.sleep(0.02)
    return found


def ready(client: httpx.Client) -> bool:
    """Whether the worker is ready."""
    try:
        return client.get("/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False
