"""An address that cannot be used: whatever the error says, it has no part of the password."""

import pytest

from feature_repo.sources.declared.database import _without_password, database
from feature_repo.sources.errors import SourceError


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "postgresql+psycopg2://u:hunter2@127.0.0.1/db",
            "expected postgresql://.* at the start of the variable WAREHOUSE",
        ),
        ("mysql://u:hunter2@127.0.0.1/db", "expected postgresql://.* at the start"),
        ("host=127.0.0.1 password=hunter2", "expected postgresql://.* at the start"),
        ("postgresql://u:hunter%zz@127.0.0.1:1/db", "expected an address that can be read; found another text"),
        ("postgresql://u:hunter 2@127.0.0.1:1/db", "expected an address that can be read; found another text"),
        ("postgresql://u:up@hunter2@127.0.0.1:1/db", "found a host that has no address"),
        ("postgresql://u:up@127.0.0.1:hunter2@x/db", "expected a database that can be reached; found .*[*]{3}"),
        ("postgresql://u:hunter2@127.0.0.1:1/db", "found connection failed.*127.0.0.1"),
    ],
)
def test_no_error_has_the_password(address: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", address)
    with pytest.raises(SourceError, match=words) as refused, database("env:WAREHOUSE"):
        pass
    assert "hunter" not in str(refused.value)


def test_what_the_server_answers() -> None:
    said = 'FATAL: database "ter2@host" does not exist, user "u"'
    assert "ter2" not in _without_password(said, "postgresql://u:hun/ter2@host/db")
    assert "hunter2" not in _without_password("found hunter2", "service=shop password='hunter2'")
    assert _without_password(said, "postgresql://u@host/db") == said
