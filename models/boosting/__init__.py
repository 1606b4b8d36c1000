"""Fits the trees beside a network with LightGBM: search, fit, refit (ADR 20)."""
