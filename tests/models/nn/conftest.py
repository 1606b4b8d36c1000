"""One tiny graph with its untrained ranker for all tests of ``models.nn``: built once, shared, read only."""

import pytest

from tests.models.nn.batches import World, ready


@pytest.fixture(scope="session")
def world() -> World:
    """A graph, encoded, and a ranker in evaluation mode. Do not change it: copy what you change."""
    return ready()
