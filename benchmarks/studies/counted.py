"""Impression features that count other impressions: the spec's counters, and context columns that an adapter counts."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from benchmarks.studies.errors import StudyError
from models.collaborative.plan import item_features, member_features
from models.counters.columns import feature_columns
from models.counters.plan import CounterPlan

Made = TypeVar("Made")
Says = Literal["times_log", "seconds_log", "ever"]


@dataclass(frozen=True)
class Exposures:
    """A context column with how often, or how recently, a key was shown before."""

    column: str
    keys: tuple[str, ...]
    """A subset of member and item."""
    says: Says
    """log1p of the count, log1p of the seconds since the last impression (missing without one), or 1 after any."""
    seconds: int | None = None
    """Length of the window; None = unlimited."""

    def __post_init__(self) -> None:
        """Raise StudyError for a column that cannot be counted."""
        if not self.keys or not set(self.keys) <= {"member", "item"}:
            raise StudyError(f"{self.column}: expected keys out of member and item; found {list(self.keys)}")
        if self.says not in get_args(Says):
            raise StudyError(f"{self.column}: expected one of {', '.join(get_args(Says))}; found {self.says!r}")


@dataclass(frozen=True)
class Counted:
    """All features that count impressions."""

    counters: tuple[CounterPlan, ...] = ()
    """Keys as in the spec: member, item, surface, or a feature of the item."""
    context: tuple[Exposures, ...] = ()

    def columns(self, key: str) -> set[str]:
        """The features counted by ``key``, alone or combined with another key."""
        plans = [plan for plan in self.counters if key in plan.keys]
        counters = {column for plan in plans for column in feature_columns(plan)}
        return counters | {context.column for context in self.context if key in context.keys}


NONE = Counted()


def add_options(parser: ArgumentParser) -> None:
    """Add the options that name them."""
    parser.add_argument(
        "--counters", help="list of CounterPlans: a JSON file, or JSON itself; default: those of --spec"
    )
    parser.add_argument(
        "--context", help="list of context columns that are counts (Exposures): likewise; default: none"
    )


def counted_of(options: Namespace) -> Counted:
    """Read the options. Raises StudyError where neither they nor a spec name the counters."""
    values = _json("--context", options.context) if options.context is not None else []
    context = tuple(_made("--context", lambda one: Exposures(**{**one, "keys": tuple(one["keys"])}), values))
    if options.counters is not None:
        return Counted(
            tuple(_made("--counters", CounterPlan.from_dict, _json("--counters", options.counters))), context
        )
    if options.spec is None:
        raise StudyError(
            "--counters: expected the counters behind the impressions' features, or --spec that declares them; found "
            "neither: '--counters []' says that there are none"
        )
    from models.spec import load_spec  # pydantic, which a GPU machine need not have

    return Counted(plans_of(load_spec(options.spec)), context)


def collaborative_of(options: Namespace, side: Literal["item", "member"]) -> tuple[str, ...]:
    """The collaborative features of a spec that need the row of that side; none without a spec."""
    if options.spec is None:
        return ()
    from models.spec import load_spec  # pydantic, which a GPU machine need not have
    from models.spec.collaborative_plans import collaborative_plans

    plans = collaborative_plans(load_spec(options.spec)).values()
    needing = item_features if side == "item" else member_features
    return tuple(name for plan in plans for name in needing(plan))


def plans_of(spec: Any) -> tuple[CounterPlan, ...]:
    """The plans of a spec's counters, with keys as in the spec."""
    from models.spec.counter_plans import counter_plan

    return tuple(replace(counter_plan(spec, name), keys=tuple(counter.keys)) for name, counter in spec.counters.items())


def _made(option: str, make: Callable[[Any], Made], values: list[Any]) -> Iterator[Made]:
    for one in values:
        try:
            yield make(one)
        except (KeyError, TypeError) as error:
            raise StudyError(f"{option}: expected an entry as its documentation says; found {one!r}: {error}") from None


def _json(option: str, text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text if text.lstrip().startswith("[") else Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{option}: expected a JSON list, or a file that holds one; found {error}") from None
    return list(found)
