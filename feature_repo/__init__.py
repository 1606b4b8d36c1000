"""Data side: adapters that write canonical tables, counters, and the Feast repository over them."""

from feature_repo import import_feast as import_feast  # first: before any module imports Feast
