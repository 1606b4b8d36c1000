"""Boosted trees: their columns, and what a model artifact carries and evaluates of them (ADR 20)."""
