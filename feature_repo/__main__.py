"""``python -m feature_repo materialize`` and ``push``: what a running feature store is told."""

import sys

from feature_repo.commands import main

if __name__ == "__main__":
    sys.exit(main())
