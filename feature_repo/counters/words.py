"""Names inside SQL."""


def identifier(name: str, relation: str | None = None) -> str:
    """A name, quoted, of a relation or not."""
    quoted = '"' + name.replace('"', '""') + '"'
    return f"{relation}.{quoted}" if relation else quoted
