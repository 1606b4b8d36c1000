"""The faults of the table, each injected into one served day, and others that no limit was chosen for."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.monitoring_faults.world import ATTRIBUTION, SLATE, Served
from models.time_units import DAY, HOUR

Fault = Callable[[Served, np.random.Generator], Served]
TASKS = ("click", "engage")


def constant(day: Served, rng: np.random.Generator) -> Served:
    """One number has the same value in all rows: a default took its place."""
    return day.replace(item_rate=np.zeros(day.table.num_rows))


def shifted(day: Served, rng: np.random.Generator) -> Served:
    """One number lies half a standard deviation higher."""
    return day.replace(member_rate=pc.add(day.table["member_rate"], 0.5))


def null_30(day: Served, rng: np.random.Generator) -> Served:
    """A number is missing in 30 % of the rows."""
    return _without(day, "item_rate", rng.random(day.table.num_rows) < 0.3)


def category_null_95(day: Served, rng: np.random.Generator) -> Served:
    """A category is missing in 95 % of the rows."""
    return _without(day, "country", rng.random(day.table.num_rows) < 0.95)


def new_category_5(day: Served, rng: np.random.Generator) -> Served:
    """A value never seen before in 5 % of the rows."""
    return _renamed(day, "device", rng.random(day.table.num_rows) < 0.05, "glasses")


def new_category_03(day: Served, rng: np.random.Generator) -> Served:
    """A value never seen before in 0.3 % of the rows."""
    return _renamed(day, "device", rng.random(day.table.num_rows) < 0.003, "glasses")


def surface_gone(day: Served, rng: np.random.Generator) -> Served:
    """No e-mail is served any more."""
    return _only(day, pc.not_equal(day.table["surface"], "email"))


def served_13(day: Served, rng: np.random.Generator) -> Served:
    """The served probabilities are 1.3 times what the version says."""
    return day.replace(**{_p(task): np.minimum(_numbers(day, _p(task)) * 1.3, 1.0) for task in TASKS})


def served_half(day: Served, rng: np.random.Generator) -> Served:
    """All served probabilities are one half."""
    return day.replace(**{_p(task): np.full(day.table.num_rows, 0.5) for task in TASKS})


def bot(day: Served, rng: np.random.Generator) -> Served:
    """One member asks for half as many rows as all others together (10,000 of 20,000), and never clicks."""
    rows = day.table.num_rows // 2
    extra = Served(day.day, day.table.take(rng.integers(0, day.table.num_rows, rows)), day.counts)
    extra = extra.replace(member=np.full(rows, 4711), slate=[f"bot {row // SLATE}" for row in range(rows)])
    extra = extra.replace(impression=[f"bot {row}" for row in range(rows)])
    for task in TASKS:
        none = pa.nulls(rows, pa.int64())
        extra = extra.replace(**{f"label_{task}": np.zeros(rows), f"happened_{task}": none})
    return day._replace(table=pa.concat_tables([day.table, extra.table.cast(day.table.schema)]))


def empty(day: Served, rng: np.random.Generator) -> Served:
    """No row of this day was logged, and none of its outcomes has an impression."""
    counts = {**day.counts, "orphan": day.counts["outcomes"], "matched": 0, "served": 0, "settled": 0, "late": 0}
    return day._replace(table=day.table.slice(0, 0), counts=counts)


def column_gone(day: Served, rng: np.random.Generator) -> Served:
    """A feature is no longer in the log."""
    return day._replace(table=day.table.drop_columns(["hours_away_log"]))


def all_fallbacks(day: Served, rng: np.random.Generator) -> Served:
    """The online store cannot be read: every slate is ranked by popularity, without features."""
    rows = day.table.num_rows
    for name in day.table.column_names[day.table.column_names.index("member_clicks_log") :]:
        if not name.startswith(("probability_", "label_", "happened_")):
            day = day.replace(**{name: pa.nulls(rows, day.table.schema.field(name).type)})
    priors = {_p("click"): np.round(_numbers(day, _p("click")), 1), _p("engage"): np.full(rows, 0.03)}
    flags = {name: np.ones(rows, dtype=bool) for name in ("fallback", "member_cold", "item_cold")}
    return day.replace(**flags, **priors)


def clock_2033(day: Served, rng: np.random.Generator) -> Served:
    """One of three servers has a clock that is years ahead."""
    wrong = np.repeat(rng.random(day.table.num_rows // SLATE + 1) < 1 / 3, SLATE)[: day.table.num_rows]
    served = _numbers(day, "served").astype(np.int64)
    return day.replace(served=np.where(wrong, served + 7 * 365 * DAY, served))


def torn(day: Served, rng: np.random.Generator) -> Served:
    """A full disk tore 4 % of the lines."""
    kept = rng.random(day.table.num_rows) >= 0.04
    lost = int((~kept).sum())
    orphan = day.counts["orphan"] + int(0.04 * day.counts["outcomes"])
    counts = {**day.counts, "torn": day.counts["torn"] + lost, "orphan": orphan}
    return _only(day._replace(counts=counts), pa.array(kept))


def labels_late(day: Served, rng: np.random.Generator) -> Served:
    """Every outcome has a time 20 hours later: those that come after the attribution do not count."""
    late = 0
    for task in TASKS:
        happened = pc.add(day.table[f"happened_{task}"], 20 * HOUR)
        delay = pc.subtract(happened, day.table["served"]).fill_null(0).to_numpy()
        label = _numbers(day, f"label_{task}") * (delay <= ATTRIBUTION)
        late += int((delay > ATTRIBUTION).sum())
        day = day.replace(**{f"happened_{task}": happened, f"label_{task}": label})
    return day._replace(counts={**day.counts, "late": late})


def labels_missing(day: Served, rng: np.random.Generator) -> Served:
    """From eight hours into the day on, no outcome arrives any more."""
    begin = _numbers(day, "served").min()
    lost = 0
    for task in TASKS:
        happened = day.table[f"happened_{task}"]
        known = pc.less(happened, int(begin) + 8 * HOUR).fill_null(False).to_numpy()
        lost += int((~known & (happened.is_valid().to_numpy())).sum())
        label = _numbers(day, f"label_{task}") * known
        kept = pa.array(happened.fill_null(0).to_numpy(), mask=~known)
        day = day.replace(**{f"label_{task}": label, f"happened_{task}": kept})
    counts = {name: max(day.counts[name] - lost, 0) for name in ("outcomes", "matched")}
    return day._replace(counts={**day.counts, **counts, "late": 0})


def calibration(factor: float) -> Fault:
    """Members click less often than predicted, by the factor; for every other draw, more often."""

    def fault(day: Served, rng: np.random.Generator) -> Served:
        more = rng.random() < 0.5
        for task in TASKS:
            label, chance = _numbers(day, f"label_{task}"), _numbers(day, _p(task))
            happened = day.table[f"happened_{task}"].fill_null(0).to_numpy()
            served = _numbers(day, "served").astype(np.int64)
            if more:
                add = (label == 0) & (rng.random(len(label)) < chance * (factor - 1) / (1 - np.minimum(chance, 0.9)))
                known = np.flatnonzero(label > 0)
                like = rng.choice(known, len(label))  # their delays are those of others
                happened = np.where(add, served + happened[like] - served[like], happened)
                label = np.where(add, 1.0, label)
            else:
                label = label * (rng.random(len(label)) < 1 / factor)
            kept = pa.array(happened, mask=label == 0)
            day = day.replace(**{f"label_{task}": label, f"happened_{task}": kept})
        return day

    return fault


def ranking_destroyed(day: Served, rng: np.random.Generator) -> Served:
    """Probabilities belong to other rows of their surface: their distribution is right, their order is chance."""
    order = np.arange(day.table.num_rows)
    surface = day.table["surface"].to_numpy()
    for name in np.unique(surface.astype(str)):
        places = np.flatnonzero(surface == name)
        order[places] = rng.permutation(places)
    return day.replace(**{_p(task): _numbers(day, _p(task))[order] for task in TASKS})


def vectors_stale(day: Served, rng: np.random.Generator) -> Served:
    """The push of vectors failed: all are too old."""
    return day.replace(stale=np.full(day.table.num_rows, "vectors"))


def outcomes_duplicated(day: Served, rng: np.random.Generator) -> Served:
    """Every third outcome arrives twice; the join keeps the first."""
    again = day.counts["outcomes"] // 3
    counts = {"duplicate": day.counts["duplicate"] + again, "outcomes": day.counts["outcomes"] + again}
    return day._replace(counts={**day.counts, **counts})


FAULTS: dict[str, Fault] = {
    "constant": constant,
    "shifted": shifted,
    "null_30": null_30,
    "category_null_95": category_null_95,
    "new_category_5": new_category_5,
    "new_category_0.3": new_category_03,
    "surface_gone": surface_gone,
    "served_x1.3": served_13,
    "served_half": served_half,
    "bot": bot,
    "empty": empty,
    "column_gone": column_gone,
    "all_fallbacks": all_fallbacks,
    "clock_2033": clock_2033,
    "torn": torn,
    "labels_late": labels_late,
    "labels_missing": labels_missing,
    "calibration_x1.3": calibration(1.3),
    "calibration_x1.15": calibration(1.15),
    "ranking_destroyed": ranking_destroyed,
    "vectors_stale": vectors_stale,
    "outcomes_duplicated": outcomes_duplicated,
}


def _p(task: str) -> str:
    return f"probability_{task}"


def _numbers(day: Served, name: str) -> np.ndarray:
    return np.asarray(day.table[name].to_numpy())


def _without(day: Served, name: str, lost: np.ndarray) -> Served:
    column = day.table[name]
    return day.replace(**{name: pc.if_else(pa.array(lost), pa.scalar(None, column.type), column)})


def _renamed(day: Served, name: str, chosen: np.ndarray, value: str) -> Served:
    return day.replace(**{name: pc.if_else(pa.array(chosen), value, day.table[name])})


def _only(day: Served, kept: pa.Array) -> Served:
    return day._replace(table=day.table.filter(kept))
