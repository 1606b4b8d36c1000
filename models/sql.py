"""SQL text from names and values: quoted identifiers and string literals."""


def identifier(name: str, relation: str | None = None) -> str:
    """A name as a quoted identifier of standard SQL (DuckDB), qualified by ``relation`` where one is given.

    Any characters are allowed; an empty name gives ``""``, which databases refuse. ``relation`` is used as it is.
    """
    quoted = '"' + name.replace('"', '""') + '"'
    return f"{relation}.{quoted}" if relation else quoted


def spark_identifier(name: str) -> str:
    """A name as a quoted identifier of Spark SQL, which quotes with backticks."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string literal of standard SQL; backslashes stay as they are."""
    return "'" + text.replace("'", "''") + "'"
