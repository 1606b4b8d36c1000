"""Command line: ``python -m feature_repo materialize``, ``push`` and ``repair``."""

import sys

from feature_repo.commands import main

if __name__ == "__main__":
    sys.exit(main())
