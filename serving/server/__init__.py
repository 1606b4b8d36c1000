"""The server process: HTTP and gRPC protocols around the ranking, request guard, admission, served log, page."""
