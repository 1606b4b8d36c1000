import pytest

from serving.untrusted import escaped, quoted, safe_message

LONG = ["x" * 500_000, b"x" * 500_000, "\U000e0001" * 500, 10**5000, -(10**5000), [1] * 9, {"a": 1}]


@pytest.mark.parametrize("value", [*LONG, 1.5, None, True, "", object()], ids=lambda value: type(value).__name__)
def test_every_value_is_short_and_printable(value: object) -> None:
    text = quoted(value)
    assert 0 < len(text) <= 60
    assert text.isprintable()


def test_short_values_are_complete() -> None:
    assert [quoted(value) for value in ("push", 17, None, {})] == ["'push'", "17", "None", "an object"]
    assert quoted(["a"]) == "a list of 1"
    assert quoted("a\nb\x1b[2J\u202e") == r"'a\nb\x1b[2J\u202e'"


def test_escaped_names_have_no_quotes() -> None:
    assert escaped("device") == "device"
    assert escaped("a\r\nb") == r"a\r\nb"
    assert len(escaped("x" * 500_000)) == 60


def test_a_message_is_one_short_line() -> None:
    assert safe_message("items: expected each item once") == "items: expected each item once"
    assert safe_message("a\nb\x00" + "x" * 1000).startswith(r"a\nb\x00xxx")
    for message in ("x" * 1000, "\n" * 1000, "\U000e0001" * 1000):
        assert len(safe_message(message)) <= 400
        assert safe_message(message).isprintable()
