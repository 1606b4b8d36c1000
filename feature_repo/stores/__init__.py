"""Feast's offline and online stores of Heliograph: ``feature_store.yaml`` names their classes."""
