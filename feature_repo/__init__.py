"""Data side: adapters that write canonical tables, counters, and the Feast repository over them."""
