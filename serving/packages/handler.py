"""The handler inside a .mar. TorchServe imports this file by itself, with the package's folder as its model folder."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


class RankingHandler:
    """Answers v1 documents. One worker, one request at a time; TorchServe keeps the line in front of it."""

    def initialize(self, context: Any) -> None:
        """Load the package; returns once the store has answered."""
        folder = Path(context.system_properties["model_dir"])
        sys.path.insert(0, str(folder))  # the code that was packaged, before any that is installed
        os.environ["TS_DECODE_INPUT_REQUEST"] = "false"  # bodies come as bytes: our own checks read them
        from serving.packages.contents import settings
        from serving.server.loading import load

        self._settings = settings(folder)
        self._answering = load(self._settings)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._answering.start())

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[bytes]:
        """One answer to each request of a batch."""
        return [self._one(row, context, place) for place, row in enumerate(data)]

    def _one(self, row: dict[str, Any], context: Any, place: int) -> bytes:
        from serving.packages.answer import answer
        from serving.server.document import check_document
        from serving.server.request_headers import REQUEST_ID, request_id

        # TorchServe puts mappings, one a part of the body, among the headers.
        given = context.get_all_request_header(place).items()
        headers = {name.lower(): value for name, value in given if isinstance(value, str)}
        body = row.get("body", b"")

        def read() -> object:
            return check_document(headers.get("content-type", ""), body)

        headers[REQUEST_ID] = request_id(headers)
        found = self._loop.run_until_complete(answer(self._answering, read, headers))
        context.set_response_status(found.status, idx=place)
        for name, value in {
            "content-type": "application/json",
            REQUEST_ID: headers[REQUEST_ID],
            **found.headers,
        }.items():
            context.set_response_header(place, name, value)
        return json.dumps(found.document).encode()
