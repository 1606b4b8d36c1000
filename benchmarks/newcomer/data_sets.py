"""The five data sets by name: their files, and the spec that a stranger would write."""

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks.newcomer import clicks, impressions, news, ratings, surfaces

Write = Callable[[Path, np.random.Generator, float], None]
"""A folder, what to draw with, and the share of the world to make."""
DATA_SETS: dict[str, Write] = {
    "impressions": impressions.write,
    "clicks": clicks.write,
    "ratings": ratings.write,
    "surfaces": surfaces.write,
    "news": news.write,
}


def make(name: str, folder: Path, seed: int, share: float = 1.0) -> Path:
    """Write the files of a data set to a new folder; return it. Equal arguments give equal files."""
    folder.mkdir(parents=True)
    DATA_SETS[name](folder, np.random.default_rng([seed, crc32(name.encode())]), share)
    return folder


def spec_file(name: str) -> Path:
    """The spec of a data set: YAML alone."""
    return Path(__file__).with_name(f"{name}.yaml")
