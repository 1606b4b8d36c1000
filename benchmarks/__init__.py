"""Benchmarks: ``python -m benchmarks.NAME`` prints a table and, as its last line, one JSON object."""

import models  # noqa: F401 - OpenMP is told how to wait before torch is loaded
