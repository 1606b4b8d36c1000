"""Baselines: the floor of the gate, and published models on the same features, split and metrics."""
