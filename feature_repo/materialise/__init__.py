"""Materialize: the newest values of every online view, from the offline store into the online store."""

from feature_repo.materialise.run import OVERLAP, MaterializeResult, materialize, refusal

__all__ = ["OVERLAP", "MaterializeResult", "materialize", "refusal"]
