"""Recomputes counter features from a graph's own impressions, as of each of them.

The rules are those of ``models.counters``: exposures count when they happen, outcomes when they settle, strictly before
the time, windows in panes, rates smoothed by the rate of all settled impressions. Only the graph's seeds are counted:
counts start with the train window.
"""

from collections.abc import Sequence

import torch
from pyarrow.compute import sort_indices
from torch import Tensor

from benchmarks.studies.counted import Counted, Exposures
from benchmarks.studies.errors import StudyError
from models.counters.hashing import hashes_of
from models.counters.plan import PANES, CounterPlan, RatePlan
from models.graph.csr import csr_offsets
from models.graph.store import TemporalGraph
from models.graph.tensors import Seeds
from models.graph.timeline import Timeline

_SECOND = 1_000_000
Columns = dict[str, tuple[Tensor, Tensor]]
"""By column, (n,) float64 each: as of the seeds' own times, and with the member's outcomes as of ``frozen_time``."""


def recount(graph: TemporalGraph, counted: Counted) -> Columns:
    """Every column that can be computed from the seeds: of counters by member, item or both, without a filter, and of
    context. An outcome is a task's label or an attribute of the impression's edge. NaN for unknown keys. Raises
    StudyError for a graph with cold twins, which are no impressions."""
    found: Columns = {}
    if twins := int(graph.seeds.cold.sum()):
        raise StudyError(
            f"seeds: expected impressions alone; found {twins} cold twins. Retrieve with training.cold_share: 0"
        )
    if not len(graph.seeds):
        return found
    for plan in counted.counters:
        if set(plan.keys) <= {"member", "item"} and not plan.filter:
            outcomes = [(rate, _outcome(graph, rate)) for rate in plan.rates]
            known = [(rate, outcome) for rate, outcome in outcomes if outcome is not None]
            found |= _where_known(graph.seeds, plan.keys, _counter(graph.seeds, plan, known))
    for context in counted.context:
        said = _context(graph.seeds, context)
        found |= _where_known(graph.seeds, context.keys, {context.column: (said, said)})
    return found


class _Log:
    """Events ``rows`` (events,) of n seeds, grouped by owner and sorted by (time, rank): by key, if None is given."""

    def __init__(self, seeds: Seeds, rows: Tensor, owner: Tensor, time: Tensor, rank: Tensor | None = None) -> None:
        rows = rows[(_by_key(seeds) if rank is None else rank)[rows].argsort(stable=True)]
        rows = rows[time[rows].argsort(stable=True)]
        self.rows = rows[owner[rows].argsort(stable=True)]
        owners = int(owner.max()) + 1 if len(owner) else 0
        self.owner = owner
        self.timeline = Timeline(csr_offsets(owner[self.rows].numpy(), owners), time[self.rows])

    def span(self, moment: Tensor, since: Tensor | None) -> tuple[Tensor, Tensor]:
        """The range [first, end) of each seed's owner's events in [``since``, ``moment``), (n,) each."""
        end = self.timeline.end(self.owner, moment)
        first = self.timeline.offsets[self.owner] if since is None else self.timeline.end(self.owner, since)
        return torch.minimum(first, end), end


def _counter(seeds: Seeds, plan: CounterPlan, outcomes: Sequence[tuple[RatePlan, Tensor]]) -> Columns:
    rows, owner, everybody = torch.arange(len(seeds)), _owner(seeds, plan.keys), torch.zeros_like(seeds.time)
    shown, settled = _Log(seeds, rows, owner, seeds.time), _Log(seeds, rows, owner, seeds.settled)
    first, end = shown.span(seeds.time, _since(plan, seeds.time))
    exposures = (end - first).double()
    found = {f"{plan.name}_exposures": (exposures, exposures)}
    if plan.recency:
        seconds = _seconds_log(shown, seeds.time)
        found[f"{plan.name}_recency"] = seconds, seconds
    held = seeds.frozen_time if "member" in plan.keys else seeds.time
    for rate, outcome in outcomes:
        defined = torch.nonzero(~outcome.isnan()).flatten()
        own, overall = (_Log(seeds, defined, of, seeds.settled) for of in (owner, everybody))
        now, then = (_rate(plan, own, overall, outcome, moment) for moment in (seeds.time, held))
        found[f"{plan.name}_{rate.name}_rate"] = now, then
        for place in range(1, plan.last + 1):
            now, then = (_from_the_end(settled, outcome, moment, place) for moment in (seeds.time, held))
            found[f"{plan.name}_last{place}_{rate.name}"] = now, then
    return found | (_last_exposures(seeds, plan, owner, outcomes) if plan.last_exposures else {})


def _last_exposures(
    seeds: Seeds, plan: CounterPlan, owner: Tensor, outcomes: Sequence[tuple[RatePlan, Tensor]]
) -> Columns:
    """Each of the last exposures, compared in item and surface; the seeds do not have the item's categories."""
    rank = torch.from_numpy(hashes_of(seeds.keys.to_numpy(zero_copy_only=False)))
    shown = _Log(seeds, torch.arange(len(seeds)), owner, seeds.time, rank)
    first, end = shown.span(seeds.time, None)
    held = seeds.frozen_time if "member" in plan.keys else seeds.time
    values = {"item": seeds.item, "surface": seeds.surface}
    compared = [one.name for one in plan.compared if one.name in values]
    found: Columns = {}
    for place in range(1, plan.last_exposures + 1):
        there, row = end - place >= first, shown.rows[(end - place).clamp(min=0)]
        known: dict[str, Tensor] = {"gap": ((seeds.time - seeds.time[row]).double() / _SECOND).log1p()}
        if plan.rates:
            known["pending"] = (seeds.settled[row] >= seeds.time).double()
        known |= {f"same_{name}": (values[name][row] == values[name]).double() for name in compared}
        for name, value in known.items():
            one = torch.where(there, value, torch.nan)
            found[f"{plan.name}_exposure{place}_{name}"] = one, one
        for rate, outcome in outcomes:
            now, then = (
                torch.where(there & (seeds.settled[row] < moment), outcome[row], torch.nan)
                for moment in (seeds.time, held)
            )
            found[f"{plan.name}_exposure{place}_outcome_{rate.name}"] = now, then
    return found


def _rate(plan: CounterPlan, own: _Log, overall: _Log, outcome: Tensor, moment: Tensor) -> Tensor:
    """The smoothed rate as of the times (n,)."""
    total, count = _sum(own, outcome, *own.span(moment, _since(plan, moment)))
    of_all, number = _sum(overall, outcome, *overall.span(moment, None))
    return (total + plan.smoothing * of_all / number) / (count + plan.smoothing)


def _since(plan: CounterPlan, moment: Tensor) -> Tensor | None:
    """The start of the window: the start of the fifteenth pane before the time's own pane."""
    return None if plan.window is None else (moment // plan.pane - PANES + 1) * plan.pane


def _sum(log: _Log, values: Tensor, first: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of the events' values and their count, (n,) float64 each."""
    sums = torch.nn.functional.pad(values[log.rows].cumsum(0), (1, 0))
    return sums[end] - sums[first], (end - first).double()


def _from_the_end(log: _Log, values: Tensor, moment: Tensor, place: int) -> Tensor:
    first, end = log.span(moment, None)
    there = end - place >= first
    return torch.where(there, values[log.rows[(end - place).clamp(min=0)]], torch.nan)


def _seconds_log(log: _Log, moment: Tensor) -> Tensor:
    first, end = log.span(moment, None)
    last = log.timeline.time[(end - 1).clamp(min=0)]
    return torch.where(end > first, ((moment - last).double() / _SECOND).log1p(), torch.nan)


def _context(seeds: Seeds, context: Exposures) -> Tensor:
    log = _Log(seeds, torch.arange(len(seeds)), _owner(seeds, context.keys), seeds.time)
    if context.says == "seconds_log":
        return _seconds_log(log, seeds.time)
    first, end = log.span(seeds.time, None if context.seconds is None else seeds.time - context.seconds * _SECOND)
    times = (end - first).double()
    return times.log1p() if context.says == "times_log" else (times > 0).double()


def _outcome(graph: TemporalGraph, rate: RatePlan) -> Tensor | None:
    """(n,) float64 in [0, 1], NaN where undefined; None where the graph does not have it."""
    tasks = [task.name for task in graph.schema.seeds.tasks]
    if rate.name in tasks:
        return graph.seeds.labels[:, tasks.index(rate.name)].double()
    raw = _attribute(graph, rate.column)
    return None if raw is None else raw / rate.scale


def _attribute(graph: TemporalGraph, column: str) -> Tensor | None:
    """(n,) float64: the attribute of each seed's edge: same member, same item, at the time it settled."""
    seeds, items = graph.seeds, graph.schema.node(graph.schema.seeds.item).count
    pairs, times, values = [], [], []
    for edge in (graph.schema.edge(name) for name in graph.schema.activity_edges):
        names = [attribute.name for attribute in edge.attributes if attribute.kind == "number"]
        if edge.target == graph.schema.seeds.item and column in names:
            tensors = graph.edges[edge.name]
            source = torch.repeat_interleave(tensors.offsets.diff())
            pairs.append(source * items + tensors.target)
            times.append(tensors.time)
            values.append(tensors.numbers[:, names.index(column)].double())
    if not sum(map(len, pairs)):
        return None
    unknown = (seeds.member < 0) | (seeds.item < 0)
    options = torch.where(unknown, -1, seeds.member * items + seeds.item)
    owner = torch.cat([*pairs, options]).unique(return_inverse=True)[1]
    pair, time, value = owner[: -len(options) or None], torch.cat(times), torch.cat(values)
    order = time.argsort(stable=True)
    order = order[pair[order].argsort(stable=True)]
    timeline = Timeline(csr_offsets(pair[order].numpy(), int(owner.max()) + 1), time[order])
    wanted = owner[len(pair) :]
    row = timeline.end(wanted, seeds.settled)  # the first at or after that time
    place = order[row.clamp(max=max(len(order) - 1, 0))]
    found = (row < timeline.offsets[wanted + 1]) & (time[place] == seeds.settled)
    return torch.where(found, value[place], torch.nan)


def _owner(seeds: Seeds, keys: tuple[str, ...]) -> Tensor:
    """(n,) int64: index of the key that each seed counts for; seeds with equal keys have equal indices."""
    indices = torch.stack([_index(seeds, key) for key in keys], dim=1)
    return indices.unique(dim=0, return_inverse=True)[1]


def _by_key(seeds: Seeds) -> Tensor:
    """(n,) int64: each seed's rank by key, to break ties in time: the larger key is the later."""
    order = torch.from_numpy(sort_indices(seeds.keys).to_numpy().astype("int64"))
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))


def _where_known(seeds: Seeds, keys: tuple[str, ...], columns: Columns) -> Columns:
    """The columns, NaN where one of the keys is unknown."""
    known = torch.stack([_index(seeds, key) >= 0 for key in keys]).all(dim=0)
    return {name: tuple(torch.where(known, one, torch.nan) for one in both) for name, both in columns.items()}  # type: ignore[misc]


def _index(seeds: Seeds, key: str) -> Tensor:
    return seeds.member if key == "member" else seeds.item
