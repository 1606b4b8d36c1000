"""Benchmarks: ``python -m benchmarks.NAME`` prints a table and, as its last line, one JSON object.

In it, ``broken`` is the number of bars that did not hold; the exit status is 1 if there are any.
"""

import models  # noqa: F401 - configures OpenMP's waiting before torch is loaded
