"""The page at ``/ui``: request a slate in the browser and see its probabilities and reasons."""

from serving.server.ui.page import mount

__all__ = ["mount"]
