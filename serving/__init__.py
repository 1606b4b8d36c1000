"""Serving: the registry of versions, the scorer, the online reader and the KServe endpoint over them."""
