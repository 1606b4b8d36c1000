"""Makes KFP compile a pipeline in milliseconds: without searching the source of every caller at every task."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


def _stack() -> list[tuple[None, None, None, str]]:
    """The two innermost frames as ``inspect.FrameInfo`` begins: the function that calls this one, and its caller."""
    frame = sys._getframe(1)
    caller = frame.f_back or frame
    return [(None, None, None, found.f_code.co_name) for found in (frame, caller)]
