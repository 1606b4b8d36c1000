"""A statistical screen for columns that know the outcome: what no declared name gives away."""
