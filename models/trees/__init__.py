"""Boosted trees beside the network: inputs, search, fit, and the trees that a model artifact carries (ADR 18)."""
