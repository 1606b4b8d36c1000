"""Baselines: popularity and trees, the gate's floor, and published models on the same features, split and metrics."""
