"""Prints one line per fault, ``held`` or ``broken``; the last line is one JSON object.

python -m benchmarks.faults [--only 1 7]
"""

import argparse
import importlib
import json
import pkgutil
import sys
import tempfile
import time
from pathlib import Path

import benchmarks.faults
from benchmarks.faults.fault import Fault


def every_fault() -> list[Fault]:
    """The faults of all modules in this package, by number."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.faults.__path__) if module.name != "__main__"]
    modules = [importlib.import_module(f"benchmarks.faults.{name}") for name in names]
    found = [fault for module in modules for fault in getattr(module, "FAULTS", ())]
    return sorted(found, key=lambda fault: fault.number)


def tried(fault: Fault) -> bool:
    """Run one check in an empty folder and print its line; return whether it held."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fault_", ignore_cleanup_errors=True) as folder:
        try:
            held, seen = True, fault.check(Path(folder))
        except Exception as error:  # any exception means that the fault is present
            held, seen = False, f"{type(error).__name__}: {error}"
    line = " ".join(seen.split())[:300]
    seconds = time.monotonic() - started
    print(f"{fault.number:>3} {'held  ' if held else 'broken'} {fault.promise}: {line} ({seconds:.1f} s)", flush=True)
    return held


def main() -> int:
    """Run the command line; return 1 if a fault is present."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="the numbers to try (all by default)")
    only = parser.parse_args().only
    faults = [fault for fault in every_fault() if only is None or fault.number in only]
    held = [tried(fault) for fault in faults]
    broken = [fault.number for fault, well in zip(faults, held, strict=True) if not well]
    print(json.dumps({"benchmark": "faults", "tried": len(faults), "broken": len(broken), "numbers": broken}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
