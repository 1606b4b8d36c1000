import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import RequestError
from serving.server.request_headers import deadline, request_id


def test_the_headers_id_goes_before_the_bodys_else_one_is_made() -> None:
    assert request_id({"x-request-id": "mine"}, "other") == "mine"
    assert request_id({}, "other") == "other"
    assert request_id({}) != request_id({})


@given(st.text())
def test_an_invalid_id_is_ignored(text: str) -> None:
    found = request_id({"x-request-id": text}, "other")
    assert found == (text if 1 <= len(text) <= 128 and all("!" <= c <= "~" for c in text) else "other")
    assert len(request_id({}, text)) >= 1


def test_a_deadline_can_only_be_shortened() -> None:
    assert deadline({}, 3.0) == 3.0
    assert deadline({"x-request-timeout-ms": "250"}, 3.0) == 0.25
    assert deadline({"x-request-timeout-ms": "999999999"}, 3.0) == 3.0


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1s", "inf", "٣", "1" * 30])
def test_an_invalid_deadline_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="expected whole milliseconds"):
        deadline({"x-request-timeout-ms": text}, 3.0)
