"""Stub of the server process: the same command line and ports as ``serving.server.process``, but it starts at once.

The model's version sets its behavior: ``dies`` exits before it has loaded, ``never-healthy`` responds to nothing,
``stubborn`` ignores SIGTERM, any other serves.
"""

import json
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from serving.settings.settings import Settings


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"ready": True}).encode())

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


def main() -> None:
    settings = Settings.read(Path(sys.argv[1]))
    print(f"stub of {Path(settings.bundle).name}", flush=True)
    behaviour = (Path(settings.bundle) / "behaviour").read_text(encoding="utf-8")
    if behaviour == "dies":
        sys.exit("the last words of the stub")
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "never-healthy":
        time.sleep(600)
    server = ThreadingHTTPServer(("127.0.0.1", settings.port), Ready)
    with socket.create_server(("127.0.0.1", settings.grpc_port)):
        server.serve_forever()


if __name__ == "__main__":
    main()
