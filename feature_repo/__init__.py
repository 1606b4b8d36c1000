"""Data side: adapters that write canonical tables, counters, and the Feast repository over them."""

from feature_repo import feast_import as feast_import  # first: before any module imports Feast
