"""The server process: KServe's servers around the ranking, protocols, guards, the served log."""
