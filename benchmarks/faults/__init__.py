"""Regression checks from the outside, one per fault that a user has hit: ``python -m benchmarks.faults``."""
