from pathlib import Path

import pytest

from serving.errors import EndpointError
from serving.settings.token import VARIABLE, authorized, read_token

TOKEN = "a-token-of-some-length"


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_it_comes_from_the_environment_or_a_file_or_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_token() is None
    (tmp_path / "token").write_text(TOKEN + "\n", encoding="utf-8")
    assert read_token(str(tmp_path / "token")) == TOKEN
    monkeypatch.setenv(VARIABLE, "another-of-some-length")
    assert read_token(str(tmp_path / "token")) == "another-of-some-length"


@pytest.mark.parametrize("text", [None, "", "short", "ü" * 20])
def test_a_weak_token_is_an_error_that_does_not_repeat_it(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(EndpointError, match=r"^token: expected") as error:
        read_token(str(file))
    assert not text or text not in str(error.value)


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", f"Bearer {TOKEN}".encode()])
def test_the_token_is_accepted(header: str | bytes) -> None:
    assert authorized(header, TOKEN)


@pytest.mark.parametrize(
    "header",
    [None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ü", b"Bearer \xff"],
)
def test_other_headers_are_refused_unless_there_is_no_token(header: str | bytes | None) -> None:
    assert not authorized(header, TOKEN)
    assert authorized(header, None)


def test_a_file_that_others_can_read_gets_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN, encoding="utf-8")
    for mode, warnings in ((0o600, 0), (0o640, 1)):
        file.chmod(mode)
        assert read_token(str(file)) == TOKEN
        assert len(caplog.records) == warnings
    assert TOKEN not in caplog.text
