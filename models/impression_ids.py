"""Ids of served impressions: ``<UUID of the call>/<number of the slate in it>/<rank>``. The server makes the UUID.

A stored id leads to its slate: all impressions of one slate begin with the slate's id and a slash.
"""


def slate_id(call: str, number: int) -> str:
    """The id of the ``number``-th slate (from 0) of a call."""
    return f"{call}/{number}"


def impression_ids(slate: str, count: int) -> list[str]:
    """The ids of a slate's impressions in ranked order, from rank 0."""
    return [f"{slate}/{rank}" for rank in range(count)]


def slate_of(impression: str) -> str:
    """The id of the slate that an impression belongs to."""
    return impression.rpartition("/")[0]
