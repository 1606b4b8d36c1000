"""A simulated professional network: members, content, network, behavior, notifications and their clicks."""

from feature_repo.sources.world.observe import observe
from feature_repo.sources.world.size import SIZES, WorldSize
from feature_repo.sources.world.world import World, simulate

__all__ = ["SIZES", "World", "WorldSize", "observe", "simulate"]
