"""The page at ``/ui``: a person asks for a slate and sees the probabilities and the reasons."""

from serving.server.ui.page import mount

__all__ = ["mount"]
