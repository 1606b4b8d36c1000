"""Semantic IDs: vectors as a few small numbers (residual codes and finite scalar levels), the same bytes by a seed."""
