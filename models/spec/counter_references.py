"""Check of the tasks, outcomes and item features that counters and measures refer to."""

from collections import Counter

from models.counters.columns import feature_columns, state_column_pairs
from models.counters.plan import OVERALL
from models.spec.base import check_unique_name
from models.spec.counter_plans import counter_plans
from models.spec.counters import ROLES
from models.spec.errors import SpecError
from models.spec.schema import Spec

MOST_RATE_FEATURES = 10_000
"""Largest number of rate features of all counters together."""


def check_counters(spec: Spec, file: str) -> None:
    """Check the measures, then every counter. Raises SpecError."""
    rated = {name.lower(): f"tasks.{name}" for name in spec.tasks}
    for name, measure in spec.measures.items():
        check_unique_name(file, f"measures.{name}", "a name that no task has", name, rated)
        if measure.column not in spec.impressions.outcomes:
            outcomes = ", ".join(spec.impressions.outcomes)
            expected = f"one of impressions.outcomes ({outcomes})"
            raise SpecError(file, f"measures.{name}.column", expected, repr(measure.column))
    known = [*ROLES, *item_categories(spec)]
    for name in spec.counters:
        _check_counter(spec, file, name, known)
    rates = len(spec.tasks) + len(spec.measures)
    columns = sum(
        (rates if counter.rates is None else len(counter.rates))
        * (1 + counter.residual + counter.last + counter.last_exposures)
        for counter in spec.counters.values()
    )
    if columns > MOST_RATE_FEATURES:
        raise SpecError(
            file, "counters", f"at most {MOST_RATE_FEATURES} rate features of all counters together", str(columns)
        )
    _check_columns(spec, file)


def item_categories(spec: Spec) -> list[str]:
    """The category features of the item's views, in the order of the spec."""
    views = spec.nodes[spec.impressions.item.node].views.values()
    return [feature.name for view in views for feature in view.typed if feature.kind == "category"]


def _check_counter(spec: Spec, file: str, name: str, known: list[str]) -> None:
    counter, where = spec.counters[name], f"counters.{name}"
    for place, key in enumerate(counter.keys):
        if key not in known:
            expected = f"member, item, surface or a category feature of the item ({', '.join(known[3:]) or 'none'})"
            raise SpecError(file, f"{where}.keys.{place}", expected, f"{key!r}{_end_meant(spec, key)}")
        if known.count(key) > 1:
            raise SpecError(
                file, f"{where}.keys.{place}", "a feature with another name than member, item and surface", repr(key)
            )
    comparable = [name for name in known if name not in (*counter.keys, "member")]
    for place, one in enumerate(counter.compare):
        if one not in comparable or known.count(one) > 1:
            expected = f"what is no key of the counter ({', '.join(comparable) or 'there is none'})"
            raise SpecError(file, f"{where}.compare.{place}", expected, repr(one))
    for column in counter.filter:
        if column in spec.impressions.outcomes:
            raise SpecError(file, f"{where}.filter", "columns known at request time", f"the outcome {column!r}")
    rates = {**spec.tasks, **spec.measures}
    for place, rate in enumerate(counter.rates or []):
        if rate not in rates:
            raise SpecError(file, f"{where}.rates.{place}", f"a task or measure ({', '.join(rates)})", repr(rate))


def _end_meant(spec: Spec, key: str) -> str:
    """What to write instead, where a key is a name of the member's or the item's node; else nothing."""
    for end in ("member", "item"):
        column = getattr(spec.impressions, end)
        if key in (column.node, column.column, spec.nodes[column.node].key):
            return f", which is the {end}. Write {end}"
    return ""


def _check_columns(spec: Spec, file: str) -> None:
    """Column names are flat in Feast: no stored or derived column may have the same name as another."""
    views = {view: f"nodes.{name}.views.{view}" for name, node in spec.nodes.items() for view in node.views}
    for view, where in (views | {name: f"counters.{name}" for name in spec.counters}).items():
        if spec.counters and view.lower() == OVERALL:
            raise SpecError(file, where, f"a name other than {OVERALL!r}, the view of all counts together", repr(view))
    owners: dict[str, str] = {}
    for name, plan in counter_plans(spec).items():
        columns = [column for column, _ in state_column_pairs(plan)]
        counts = Counter(columns)
        for column in [*columns, *(feature_columns(plan) if name != OVERALL else [])]:
            owner = owners.setdefault(column.lower(), name)
            if owner != name or counts[column] > 1:
                raise SpecError(
                    file, f"counters.{name}", f"a column {column!r} that nothing else has", f"another, of {owner}"
                )
