"""A stand-in for the server process: as ``serving.runtime`` seen from outside, but up in a moment.

What it does is decided by the model's version: ``dies`` ends before it has loaded, ``never healthy`` answers nothing,
``stubborn`` ignores SIGTERM, anything else serves.
"""

import json
import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from serving.settings import Settings


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"ready": True}).encode())


def main() -> None:
    settings = Settings.read(Path(sys.argv[1]))
    print(f"stub of {Path(settings.bundle).name}", flush=True)
    behaviour = (Path(settings.bundle) / "behaviour").read_text(encoding="utf-8")
    if behaviour == "dies":
        sys.exit("the last words of the stub")
    os.write(int(sys.argv[2]), b"loaded")
    os.close(int(sys.argv[2]))
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "never healthy":
        time.sleep(600)
    HTTPServer.allow_reuse_address = True
    while True:
        try:
            server = HTTPServer(("127.0.0.1", settings.port), Ready)
            break
        except OSError:
            time.sleep(0.01)
    with socket.create_server(("127.0.0.1", settings.grpc_port)):
        server.serve_forever()


if __name__ == "__main__":
    main()
