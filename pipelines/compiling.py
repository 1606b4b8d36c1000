"""Makes KFP compile and load pipelines in less time: no search for the sources of callers, YAML through libyaml."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace


@contextmanager
def callers_by_name() -> Iterator[None]:
    """Within this context, what KFP takes for ``inspect.stack`` gives names only.

    KFP 2.17 calls ``inspect.stack`` at every setting of a task, for a name in an error that is rarely raised. That
    looks for each caller's source in all loaded modules: a second a pipeline in a small process, 20 where many modules
    are loaded.
    """
    from kfp.dsl import pipeline_task

    original = pipeline_task.inspect
    pipeline_task.inspect = SimpleNamespace(stack=_stack)
    try:
        yield
    finally:
        pipeline_task.inspect = original


@contextmanager
def yaml_by_libyaml() -> Iterator[None]:
    """Within this context, KFP reads and writes YAML with PyYAML's C classes, where PyYAML has them.

    The documents are the same; only lines break at other places.
    """
    import yaml
    from kfp.compiler import pipeline_spec_builder
    from kfp.dsl import structures

    if not yaml.__with_libyaml__:
        yield
        return
    originals = pipeline_spec_builder.yaml, structures.yaml
    pipeline_spec_builder.yaml = SimpleNamespace(dump_all=partial(yaml.dump_all, Dumper=yaml.CDumper))
    read = {"safe_load": yaml.load, "safe_load_all": yaml.load_all}
    structures.yaml = SimpleNamespace(**{name: partial(load, Loader=yaml.CSafeLoader) for name, load in read.items()})
    try:
        yield
    finally:
        pipeline_spec_builder.yaml, structures.yaml = originals


def _stack() -> list[tuple[None, None, None, str]]:
    """The two innermost frames as ``inspect.FrameInfo`` begins: the function that calls this one, and its caller."""
    frame = sys._getframe(1)
    caller = frame.f_back or frame
    return [(None, None, None, found.f_code.co_name) for found in (frame, caller)]
