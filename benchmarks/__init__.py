"""Benchmarks: ``python -m benchmarks.NAME`` prints a table and, as its last line, one JSON object."""

import models  # noqa: F401 - configures OpenMP's waiting before torch is loaded
