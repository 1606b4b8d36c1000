"""Watching a product: evaluation, the promotion gate, drift, CTR and calibration, the run's ledger and report."""
