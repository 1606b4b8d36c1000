"""The handler inside a .mar. TorchServe imports this file on its own, with the package's folder as its model folder."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


class RankingHandler:
    """Serves v1 documents: one worker, one request at a time; the queue is TorchServe's."""

    def initialize(self, context: Any) -> None:
        """Load the package; returns once the store has responded."""
        folder = Path(context.system_properties["model_dir"])
        sys.path.insert(0, str(folder))  # the packaged code goes before an installed one
        os.environ["TS_DECODE_INPUT_REQUEST"] = "false"  # bodies stay bytes: our own strict parser reads them
        from serving.packages.contents import settings
        from serving.server.loading import load

        self._runtime = load(settings(folder))
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._runtime.start())

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[bytes]:
        """The response bodies of a batch of requests."""
        return [self._respond(row.get("body", b""), context, place) for place, row in enumerate(data)]

    def _respond(self, body: bytes, context: Any, place: int) -> bytes:
        from serving.errors import error_response
        from serving.server.document import JSON, parse_body
        from serving.server.request_headers import REQUEST_ID, request_id

        # TorchServe puts mappings, one per part of the body, among the headers.
        given = context.get_all_request_header(place).items()
        headers = {name.lower(): value for name, value in given if isinstance(value, str)}
        headers[REQUEST_ID] = request_id(headers)
        status, extra = 200, {}
        try:
            document = parse_body(headers.get("content-type", ""), body).document
            content = json.dumps(self._loop.run_until_complete(self._runtime.predict(document, headers))).encode()
        except Exception as error:
            if (response := error_response(error)) is None:
                raise
            status, content, extra = response.status, response.content, dict(response.headers)
        context.set_response_status(status, idx=place)
        for name, value in {"content-type": JSON, REQUEST_ID: headers[REQUEST_ID], **extra}.items():
            context.set_response_header(place, name, value)
        return content
