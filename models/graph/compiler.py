"""Whether kernels for GPUs can be compiled here."""

import logging
import os
import shutil
import sysconfig
from functools import cache
from pathlib import Path

_log = logging.getLogger(__name__)


@cache
def gpu_compiler() -> bool:
    """Whether Triton, through which torch compiles for GPUs, finds what it needs: a C compiler and Python's headers.

    The images have no compiler. Without one a warning says what is slower.
    """
    given = os.environ.get("CC")
    compiler = shutil.which(given) if given else shutil.which("gcc") or shutil.which("clang")
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if compiler and headers.is_file():
        return True
    missing = f"{headers}" if compiler else f"{given or 'gcc or clang'} on the PATH"
    _log.warning("no %s: the search for visible edges is not compiled, so that training on this GPU is slower", missing)
    return False
