"""Packed rows: the online store's row format, its keys, and row stores in SQLite and Redis. Needs no Feast."""
