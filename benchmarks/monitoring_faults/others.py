"""Faults that are not in the table: no limit was chosen for them, and a sensible layer has to find them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.monitoring_faults.faults import TASKS, Fault
from benchmarks.monitoring_faults.world import Served
from models.time_units import HOUR


def _feature_scaled(day: Served, rng: np.random.Generator) -> Served:
    return day.replace(title_length=pc.multiply(day.table["title_length"], 1000.0))


def _features_swapped(day: Served, rng: np.random.Generator) -> Served:
    return day.replace(seen_today=day.table["hours_away_log"], hours_away_log=day.table["seen_today"])


def _categories_swapped(day: Served, rng: np.random.Generator) -> Served:
    return day.replace(country=day.table["language"], language=day.table["country"])


def _feature_as_text(day: Served, rng: np.random.Generator) -> Served:
    return day.replace(item_age=day.table["item_age"].cast(pa.string()))


def _feature_infinite(day: Served, rng: np.random.Generator) -> Served:
    column = day.table["item_age"]
    return day.replace(item_age=pc.if_else(pa.array(rng.random(len(column)) < 0.02), float("inf"), column))


def _item_constant(day: Served, rng: np.random.Generator) -> Served:
    return day.replace(item=np.full(day.table.num_rows, 7))


def _surface_renamed(day: Served, rng: np.random.Generator) -> Served:
    surface = day.table["surface"]
    return day.replace(surface=pc.if_else(pc.equal(surface, "email"), "mail", surface))


def _probabilities_negative(day: Served, rng: np.random.Generator) -> Served:
    return day.replace(**{f"probability_{task}": pc.negate(day.table[f"probability_{task}"]) for task in TASKS})


def _probabilities_nan(day: Served, rng: np.random.Generator) -> Served:
    lost = pa.array(rng.random(day.table.num_rows) < 0.2)
    columns = {f"probability_{task}": day.table[f"probability_{task}"] for task in TASKS}
    return day.replace(**{name: pc.if_else(lost, float("nan"), column) for name, column in columns.items()})


def _labels_all_1(day: Served, rng: np.random.Generator) -> Served:
    rows = day.table.num_rows
    happened = pc.add(day.table["served"], HOUR)
    columns = {f"label_{task}": np.ones(rows) for task in TASKS} | {f"happened_{task}": happened for task in TASKS}
    return day.replace(**columns)._replace(counts={**day.counts, "outcomes": 2 * rows, "matched": 2 * rows})


def _version_missing(day: Served, rng: np.random.Generator) -> Served:
    return day._replace(table=day.table.filter(pc.equal(day.table["model_version"], "7")))


def _hours_shifted(day: Served, rng: np.random.Generator) -> Served:
    columns = {name: pc.add(day.table[name], 7 * HOUR) for name in ("served", "happened_click", "happened_engage")}
    return day.replace(**columns)


def _outcomes_reversed(day: Served, rng: np.random.Generator) -> Served:
    return day.replace(**{f"label_{task}": pc.subtract(1.0, day.table[f"label_{task}"]) for task in TASKS})


def _half_the_outcomes_unknown(day: Served, rng: np.random.Generator) -> Served:
    columns = {}
    for task in TASKS:
        kept = rng.random(day.table.num_rows) < 0.5
        happened = day.table[f"happened_{task}"]
        columns[f"label_{task}"] = day.table[f"label_{task}"].to_numpy() * kept
        columns[f"happened_{task}"] = pc.if_else(pa.array(kept), happened, pa.scalar(None, happened.type))
    counts = {**day.counts, "orphan": day.counts["outcomes"] // 2, "matched": day.counts["matched"] // 2}
    return day.replace(**columns)._replace(counts=counts)


OTHERS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "feature_x1000": (_feature_scaled, ("features.shift",)),
    "features_swapped": (_features_swapped, ("features.shift",)),
    "categories_swapped": (_categories_swapped, ("features.new_value", "features.shift")),
    "feature_as_text": (_feature_as_text, ("features.type", "log.column")),
    "feature_infinite": (_feature_infinite, ("features.infinite",)),
    "item_constant": (_item_constant, ("traffic.item",)),
    "surface_renamed": (_surface_renamed, ("traffic.surface",)),
    "probabilities_negative": (_probabilities_negative, ("predictions.invalid",)),
    "probabilities_nan": (_probabilities_nan, ("predictions.invalid",)),
    "labels_all_1": (_labels_all_1, ("labels.surplus", "labels.delay")),
    "version_missing": (_version_missing, ("traffic.version",)),
    "hours_shifted": (_hours_shifted, ("traffic.hours", "log.clock")),
    "outcomes_reversed": (_outcomes_reversed, ("labels.surplus",)),
    "outcomes_of_unknown_impressions": (_half_the_outcomes_unknown, ("labels.orphan", "labels.missing")),
}
"""By fault: how it is injected, and the causes that make sense."""
