"""Sampled negatives: seeds for a log of positives only (``impressions.sample_negatives``, docs/negatives.md)."""

from feature_repo.negatives.errors import NegativesError
from feature_repo.negatives.seeds import seeds

__all__ = ["NegativesError", "seeds"]
