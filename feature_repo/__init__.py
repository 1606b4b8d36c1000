"""Data: adapters that write the canonical tables, counters, and the Feast repository on top of them."""
