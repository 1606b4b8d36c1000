"""Addresses a server listens at: free ports, and how to reach the server."""

import socket

from serving.errors import EndpointError

LOOPBACK = "127.0.0.1"
_ANY = {"0.0.0.0": LOOPBACK, "::": "::1"}


def reached_at(host: str) -> str:
    """The address at which this machine reaches a server that is bound to ``host``."""
    return _ANY.get(host, host)


def address(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def free_port(host: str, port: int = 0) -> int:
    """The given port, or for 0 any port, if nothing listens at it. Raises EndpointError if it is in use."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        if port:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            what = f"port {port}" if port else "any port"
            raise EndpointError(
                f"{what} of {host}: expected a free one; found {error.strerror}. Choose another."
            ) from None
        return int(probe.getsockname()[1])
