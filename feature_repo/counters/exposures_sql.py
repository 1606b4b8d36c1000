"""SQL for a key's last exposures, each with its outcomes as far as they had settled."""

from collections.abc import Iterator

from feature_repo.counters.impressions import key_column, rate_column
from models.counters.exposures import UNDEFINED, UNSETTLED
from models.counters.hashing import hash_sql
from models.counters.plan import CounterPlan
from models.sql import identifier


def last_exposures(plan: CounterPlan, keys: list[str], partition: str) -> str:
    """SQL over ``kept`` for rows (keys, place, newest): the last exposures up to each one, which is number ``place``.

    Exposures are ordered by (time, hash of the impression's key), as in the stream (models/counters/exposures.py).
    """
    values = {"time": "time", "key": hash_sql("id"), "settled": "settled"}
    values |= {f"of {n}": hash_sql(identifier(key_column(one.column))) for n, one in enumerate(plan.compared)}
    values |= {f"outcome {n}": identifier(rate_column(rate.name)) for n, rate in enumerate(plan.rates)}
    packed = ", ".join(f"{identifier(name)} := {value}" for name, value in values.items())
    exposure = f"SELECT {', '.join([*keys, f'struct_pack({packed}) AS exposure'])} FROM kept"
    selected = [*keys, "row_number() OVER in_order AS place"]
    selected.append(f"list(exposure) OVER (in_order ROWS {plan.last_exposures - 1} PRECEDING) AS newest")
    order = f"({partition}ORDER BY exposure.time, exposure.key)"
    return f"SELECT {', '.join(selected)} FROM ({exposure}) WINDOW in_order AS {order}"


def exposure_lists(plan: CounterPlan) -> Iterator[str]:
    """One expression per list of the state, in the order of ``exposure_columns``."""
    yield from map(_list_of, ["one.time", "one.key", *(f'one."of {n}"' for n in range(len(plan.compared)))])
    if plan.rates:
        yield _list_of(_if_settled("one.settled", UNSETTLED))
        yield from (_list_of(_if_settled(f'one."outcome {n}"', UNDEFINED)) for n in range(len(plan.rates)))


def _list_of(value: str) -> str:
    return f"coalesce([CAST({value} AS BIGINT) for one in exposures.newest], [])"


def _if_settled(value: str, otherwise: int) -> str:
    return f"CASE WHEN one.settled <= running.moment THEN {value} ELSE {otherwise} END"
