"""Serving: the registry of versions, scoring, online reads and the KServe endpoint around them."""
