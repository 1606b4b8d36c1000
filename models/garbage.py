"""Importing this module makes Python look for unreachable cycles of objects rarely, and not when the process ends.

The libraries of a pipeline's step make hundreds of thousands of objects that live as long as the process. Python's
defaults scan them again and again while more of them are imported, and twice more at the exit: a third of the time that
a process with MLflow and torch takes to start and end. Modules that processes begin with import this one first.
"""

import atexit
import gc
import os
import sys

_DEFAULTS = gc.get_threshold()
RARELY = (100_000, 50, 100)
"""Thresholds of ``gc.set_threshold``: new objects until the youngest generation is scanned, scans until older ones."""


def collect_as_usual() -> None:
    """Python's own thresholds again, over what is made from now on; what is there is never scanned again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_DEFAULTS)


def _at_exit() -> None:
    """Leave nothing for the interpreter's last scans. DuckDB's bindings would list on stderr whatever they left."""
    gc.freeze()
    if "_duckdb" in sys.modules:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


gc.set_threshold(*RARELY)
atexit.register(_at_exit)  # registered before the handlers of what is imported next, so run after them
