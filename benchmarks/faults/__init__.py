"""Every fault that a stranger met, tried again from the outside: ``python -m benchmarks.faults``."""
