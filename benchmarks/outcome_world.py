"""A served log of many rows and its outcomes, with injected faults, and the truth about both."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models import outcome_parts
from models.clock import tolerance
from models.outcome_parts import Outcome
from models.served import model_name
from models.spec import Spec, parse_spec
from models.sql import literal
from models.time_units import DAY, HOUR

if TYPE_CHECKING:
    import pyarrow as pa

START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
DAYS, SLATE, ATTRIBUTION = 10, 20, DAY
_NUMBERS = [f"number_{one}" for one in range(18)]
_KINDS = ["kind_0", "kind_1"]
_PART_ROWS = 20_000
_SPEC = """
name: outcome_join
source: {adapter: none}
nodes: {member: {key: member_id}, item: {key: item_id}}
edges:
  clicked:
    {table: impressions, source: {node: member, column: member}, target: {node: item, column: item},
     time: settled_time, kind: engagement, domain: feed}
impressions:
  member: {node: member, column: member}
  item: {node: item, column: item}
  surfaces: [feed, email]
  context: {CONTEXT}
  outcomes: [click]
tasks: {click: {label: click, primary: true, attribution: 24h}}
windows: {start: 2026-01-01, graph: {days: 2}, train: {days: 2}, validate: {days: 1}, gate: {days: 1}, test: {days: 1}}
home_domain: feed
"""


def spec() -> Spec:
    """The spec of the world: one task, some 20 features."""
    context = [f"{name}: number" for name in _NUMBERS] + [f"{name}: category" for name in _KINDS]
    return parse_spec(_SPEC.replace("CONTEXT", ", ".join(context)), "outcome_join.yaml")


@dataclass
class OutcomeWorld:
    """Served rows in order of serving, and the outcomes that follow; times are int64 microseconds."""

    served: np.ndarray
    impressions: list[str]
    clicked: np.ndarray
    """(rows,) bool: whether the row is clicked within the attribution."""
    outcomes: list[Outcome]
    injected: Mapping[str, int]


def build(rows: int, seed: int = 0) -> OutcomeWorld:
    """Draw a world of so many rows over ``DAYS`` days."""
    generator = np.random.default_rng(seed)
    rows -= rows % SLATE
    served = START + np.sort(generator.integers(0, DAYS * DAY, rows // SLATE)).repeat(SLATE)
    calls = generator.integers(0, 2**32, (rows // SLATE, 4), dtype=np.uint64)
    ids = [
        f"{a:08x}-{b >> 16:04x}-4{b & 0xFFF:03x}-{c >> 16:04x}-{c & 0xFFFF:04x}{d:08x}/0"
        for a, b, c, d in calls.tolist()
    ]
    impressions = [f"{slate}/{rank}" for slate in ids for rank in range(SLATE)]
    # One in twenty is clicked, half of them within two hours and some a day later.
    eventually = np.flatnonzero(generator.random(rows) < 0.05)
    delay = np.minimum(generator.lognormal(np.log(2 * HOUR), 1.5, len(eventually)), 5 * DAY).astype(np.int64)
    happened = served[eventually] + delay
    received = happened + generator.integers(0, 60_000_000, len(eventually))
    fault = generator.random(len(eventually))
    outcomes, injected = [], dict.fromkeys(("duplicate", "orphan", "late", "skewed"), 0)
    clicked = np.zeros(rows, bool)
    for row, at, came, which in zip(
        eventually.tolist(), happened.tolist(), received.tolist(), fault.tolist(), strict=True
    ):
        one = Outcome(impressions[row], "click", 1, at, came)
        if which < 0.01:
            one = one._replace(happened=int(served[row]) - tolerance() - 1 - int(which * 1e9))
            injected["skewed"] += 1
        elif at > served[row] + ATTRIBUTION:
            injected["late"] += 1
        else:
            clicked[row] = True
        outcomes.append(one)
        if 0.01 <= which < 0.03:
            outcomes.append(one._replace(value=int(which < 0.02), received=one.received + 1 + int(which * 1e9)))
            injected["duplicate"] += 1
        elif which < 0.05:
            outcomes.append(one._replace(impression=f"unknown-{row}/0/0"))
            injected["orphan"] += 1
    return OutcomeWorld(served, impressions, clicked, outcomes, injected)


def write_served(world: OutcomeWorld, lines: Path, parts: Path, torn: int, seed: int = 0) -> None:
    """Write the served rows as JSON lines, so many of them with another that is torn, and as Parquet parts."""
    import duckdb

    table = _table(world, seed)
    line, part = _selects()
    name = model_name(spec())
    with duckdb.connect() as connection:
        for number in range(DAYS):
            bounds = [START + number * DAY, START + (number + 1) * DAY]
            first, last = np.searchsorted(world.served, bounds).tolist()
            day = outcome_parts.day_of(bounds[0])
            connection.register("day_", table.slice(first, last - first))
            connection.execute(
                f"COPY (SELECT {line} FROM day_) TO {literal(str(lines / f'{day}.jsonl'))} (FORMAT json)"
            )
            folder = parts / f"model={name}" / "version=7" / f"day={day}"
            folder.mkdir(parents=True)
            for start in range(first, last, _PART_ROWS):
                connection.register("part_", table.slice(start, min(_PART_ROWS, last - start)))
                file = literal(str(folder / f"{start}.parquet"))
                connection.execute(f"COPY (SELECT {part} FROM part_) TO {file} (FORMAT parquet, COMPRESSION zstd)")
    for whole in sorted(lines.glob("*.jsonl"))[:torn]:
        with whole.open("ab") as stream:
            stream.write(b'\n{"served":17672256000,"request":"x","sl\n')


def _table(world: OutcomeWorld, seed: int) -> "pa.Table":
    """What differs from row to row."""
    import pyarrow as pa

    generator, rows = np.random.default_rng(seed), len(world.served)
    kinds = pa.array([f"kind {place}" for place in range(30)])
    columns = {
        "served": world.served,
        "impression": world.impressions,
        "member": generator.integers(0, 50_000, rows // SLATE).repeat(SLATE),
        "item": generator.integers(0, 20_000, rows),
        "surface": ["feed", "email"] * (rows // 2),
        "probability_click": generator.beta(1, 19, rows),
        "score": generator.random(rows),
        **{name: generator.standard_normal(rows, np.float32) for name in _NUMBERS},
        **{name: kinds.take(pa.array(generator.integers(0, 30, rows))) for name in _KINDS},
    }
    return pa.table(columns)


def _selects() -> tuple[str, str]:
    """Columns of a line and of a part, from those of ``_table``."""
    shared = (
        f"served, 'request' AS request, served AS \"time\", served - 60000000 AS as_of, member, false AS member_cold, "
        f"surface, {literal(model_name(spec()))} AS model, '7' AS model_version, false AS fallback, impression, item, "
        "false AS capped, score, 1.0::DOUBLE AS propensity"
    )
    rank = "regexp_extract(impression, '[0-9]+$')::BIGINT"
    features = ", ".join(f"{name}: {name}" for name in (*_NUMBERS, *_KINDS))
    line = (
        f'{shared}, 0 AS slate, {rank} AS "rank", false AS cold, []::VARCHAR[] AS stale, '
        f"[]::VARCHAR[] AS adjustments, {{click: probability_click}} AS probabilities, {{{features}}} AS features"
    )
    part = (
        f"{shared}, regexp_replace(impression, '/[^/]*$', '') AS slate, {rank} AS position, false AS item_cold, "
        f"'[]' AS stale, '[]' AS adjustments, probability_click, {', '.join((*_NUMBERS, *_KINDS))}"
    )
    return line, part
