"""Command line: ``python -m feature_repo init``, ``materialize``, ``push``, ``repair`` and ``forget``."""

import sys

import models.garbage  # noqa: F401 - first: what follows is imported faster
from feature_repo.commands import main

if __name__ == "__main__":
    sys.exit(main())
