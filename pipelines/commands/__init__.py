"""The options of ``python -m pipelines``, a file per command."""
