"""Feast stores of ours, chosen by class name in ``feature_store.yaml``."""
