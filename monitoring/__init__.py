"""Evaluation, the promotion gate, drift, CTR and calibration monitors, and the ledger and report of a run."""
