"""KServe's classes, extended. Importing these modules imports KServe, which is slow: only the server process does.

``errors`` maps KServe's errors, ``model`` and ``data_plane`` are what its protocols call, ``servers`` its HTTP and gRPC
servers with our bounds: ``connections`` (HTTP), ``grpc_server``, ``grpc_guard`` and ``unknown_methods`` (gRPC).
"""
