"""One surface counts its own impressions exactly as all are counted, and nothing of another surface reaches it."""

import json
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.studies.counted import Counted, Exposures, counted_of, plans_of
from benchmarks.studies.errors import StudyError
from benchmarks.studies.one_surface import OneSurface
from models.graph.arrays import edges_from_arrays
from models.graph.check import check
from models.graph.fakes import DAY, START, fake_graph
from models.graph.schema import REVERSE, FeatureColumn, TaskColumn
from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of
from models.spec.counter_plans import counter_plan
from tests.models.counters.product import MINUTE, Impression, by_hand, last_exposures, product

SPEC = product(
    plain={"keys": ["member"], "smoothing": 3, "recency": True},
    recent={"keys": ["member"], "window": "16m", "last": 3, "last_exposures": 2, "compare": ["item", "surface"]},
    lately={"keys": ["item"], "window": "48m", "rates": []},
    pair={"keys": ["member", "item"], "last": 2, "rates": ["click", "share"]},
    by_surface={"keys": ["item", "surface"], "rates": ["click"]},
    picked={"keys": ["member"], "filter": {"surface": ["mail"]}, "rates": []},
)
COUNTERS = plans_of(SPEC)
CONTEXT = (
    Exposures("seconds", ("member",), "seconds_log"),
    Exposures("times", ("member",), "times_log", seconds=600),
    Exposures("seen", ("member", "item"), "ever"),
)
COUNTED = Counted(COUNTERS, CONTEXT)
RECOUNTED = ("plain", "recent", "lately", "pair")
KEYS = {"member": lambda row: row.member, "item": lambda row: row.post, "surface": lambda row: row.surface}
CHANGE = OneSurface("mail", elsewhere="", counted=COUNTED)


def log(seed: int, rows: int = 60) -> list[Impression]:
    """Whole minutes within two hours, so that ties and open outcomes abound; keys in any order of time. No two rows
    are of one member, one post and one settled moment: a graph keeps one edge of such."""
    random = np.random.default_rng(seed)
    shown = START + 10 * DAY + random.integers(0, 120, rows) * MINUTE  # the train window begins there
    settled = shown + random.integers(0, 9, rows) * MINUTE
    found = [
        Impression(
            impression_id=number,
            time=int(shown[number]),
            settled_time=int(settled[number]),
            member=int(random.integers(0, 4)),
            post=str(random.integers(0, 3)),
            surface=str(random.choice(["feed", "mail"])),
            click=int(random.integers(0, 2)),
            percent=int(random.integers(0, 5)),
            topic=None,
        )
        for number in range(rows)
    ]
    return list({(row.member, row.post, row.settled_time): row for row in found}.values())


def graph_of(rows: list[Impression]) -> TemporalGraph:
    """A graph whose seeds are the rows, all in the train window; every row left an edge, as far as edges can tell."""
    base = fake_graph(members=5, items=4)
    rows = sorted(rows, key=lambda row: (row.time, row.impression_id))
    columns = [column for plan in COUNTERS for column in by_hand_names(plan.name)]
    columns += [context.column for context in CONTEXT]
    attributes = (FeatureColumn("percent", "number"), FeatureColumn("surface", "category", vocabulary=("feed", "mail")))
    edges = [replace(e, attributes=attributes) if e.name.endswith("clicked") else e for e in base.schema.edges]
    schema = replace(
        base.schema,
        edges=tuple(edges),
        seeds=replace(
            base.schema.seeds,
            surfaces=("feed", "mail"),
            features=tuple(FeatureColumn(column, "number") for column in columns),
            tasks=(TaskColumn("click", 1.0, True), TaskColumn("mail", 1.0, False)),
        ),
    )
    clicked, reverse = edges_from_arrays(
        integers(row.member for row in rows),
        integers(int(row.post) for row in rows),
        integers(row.settled_time for row in rows),
        np.ones(len(rows), np.float32),
        sources=5,
        targets=4,
        numbers=integers(row.percent for row in rows).astype(float).reshape(-1, 1),
        categories=integers(1 + (row.surface == "mail") for row in rows).reshape(-1, 1),
    )
    time = torch.from_numpy(integers(row.time for row in rows))
    surface = torch.from_numpy(integers(row.surface == "mail" for row in rows))
    click = torch.from_numpy(integers(row.click for row in rows)).float()
    numbers = torch.arange(len(rows) * len(columns)).view(len(rows), len(columns)).float()  # all to be replaced
    seeds = replace(
        base.seeds,
        member=torch.from_numpy(integers(row.member for row in rows)),
        item=torch.from_numpy(integers(int(row.post) for row in rows)),
        surface=surface,
        time=time,
        settled=torch.from_numpy(integers(row.settled_time for row in rows)),
        window=torch.ones_like(time),
        numbers=numbers,
        categories=torch.zeros(len(rows), 0, dtype=torch.int64),
        labels=torch.stack([click, torch.where(surface == 1, click, torch.nan)], dim=1),
        frozen_time=time - 7 * MINUTE,
        frozen_numbers=numbers,
        frozen_categories=torch.zeros(len(rows), 0, dtype=torch.int64),
        keys=pa.array([row.impression_id for row in rows], pa.int64()),
    )
    return replace(
        base, schema=schema, seeds=seeds, edges={**base.edges, "clicked": clicked, REVERSE + "clicked": reverse}
    )


def integers(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), np.int64)


def by_hand_names(counter: str) -> list[str]:
    return list(by_hand(SPEC, counter, [], (), 0))


def expected(rows: list[Impression], row: Impression, counter: str, moment: int) -> dict[str, float]:
    plan = next(plan for plan in COUNTERS if plan.name == counter)
    own = {"post_key": row.post, "surface": row.surface}
    return by_hand(SPEC, counter, rows, tuple(KEYS[key](row) for key in plan.keys), moment, own)


@given(st.integers(0, 10_000), st.sampled_from([0, 3, 60]))
@settings(max_examples=15, deadline=None)
def test_one_surface_counts_itself_as_all_are_counted(seed: int, size: int) -> None:
    rows = log(seed, size)
    found = CHANGE(graph_of(rows))
    own = sorted((row for row in rows if row.surface == "mail"), key=lambda row: (row.time, row.impression_id))
    assert found.seeds.keys.to_pylist() == [row.impression_id for row in own]
    names = [feature.name for feature in found.schema.seeds.features]
    now, then = (dict(zip(names, v.T.tolist(), strict=True)) for v in (found.seeds.numbers, found.seeds.frozen_numbers))
    for place, row in enumerate(own):
        for counter in RECOUNTED:
            fresh = expected(own, row, counter, row.time)
            held = expected(own, row, counter, row.time - 7 * MINUTE)
            if counter == "recent":
                mine = [other for other in own if other.member == row.member]
                values = {"post_key": row.post, "surface": row.surface}
                held |= last_exposures(counter_plan(SPEC, counter), mine, row.time, row.time - 7 * MINUTE, values)
            for name, value in fresh.items():
                outcome = "member" in counter_keys(counter) and name.endswith(("_rate", "_click", "_mail", "_share"))
                assert now[name][place] == pytest.approx(value, rel=1e-5, nan_ok=True), name
                frozen = held[name] if outcome else value
                assert then[name][place] == pytest.approx(frozen, rel=1e-5, nan_ok=True), name
        mine = [other.time for other in own if other.member == row.member and other.time < row.time]
        since = np.log1p((row.time - max(mine)) / 1e6) if mine else np.nan
        assert now["seconds"][place] == pytest.approx(since, rel=1e-5, nan_ok=True)
        assert now["times"][place] == pytest.approx(np.log1p(sum(t >= row.time - 10 * MINUTE for t in mine)), rel=1e-5)
        met = [o for o in own if (o.member, o.post) == (row.member, row.post) and o.time < row.time]
        assert now["seen"][place] == bool(met)
        assert np.isnan(now["picked_exposures"][place])  # a filter reads what a graph does not hold


def counter_keys(counter: str) -> tuple[str, ...]:
    return next(plan.keys for plan in COUNTERS if plan.name == counter)


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_nothing_of_another_surface_reaches_it(seed: int) -> None:
    rows = log(seed)
    random = np.random.default_rng(seed)
    moved = [
        row._replace(
            time=row.time - int(random.integers(0, 30)) * MINUTE,
            settled_time=row.settled_time + 20 * MINUTE,
            member=int(random.integers(0, 4)),
            click=1 - row.click,
            percent=4 - row.percent,
        )
        for row in rows
        if row.surface == "feed" and random.random() < 0.7
    ]
    own = [row for row in rows if row.surface == "mail"]
    met = {(row.member, row.post, row.settled_time) for row in own}
    moved = [row for row in moved if (row.member, row.post, row.settled_time) not in met]  # two rows, one edge
    # Counters by surface come out of the store: here they are numbers that the other rows move.
    stored = CHANGE.counted.columns("surface")
    one, other = CHANGE(graph_of(rows)), CHANGE(graph_of([*own, *moved]))
    check(one.schema, one.nodes, one.edges, one.seeds, one.node_keys)
    kept = [place for place, f in enumerate(one.schema.seeds.features) if f.name not in stored]
    for group in ("edges", "nodes"):
        for name, tensors in getattr(one, group).items():
            if name in ("liked", "rev_liked", "follows", "rev_follows"):
                assert not len(tensors.time)
            for field, value in tensors_of(tensors).items():
                torch.testing.assert_close(tensors_of(getattr(other, group)[name])[field], value, equal_nan=True)
    for field, value in tensors_of(one.seeds).items():
        changed = tensors_of(other.seeds)[field]
        if field in ("numbers", "frozen_numbers"):
            value, changed = value[:, kept], changed[:, kept]
        torch.testing.assert_close(changed, value, rtol=0, atol=0, equal_nan=True)


def test_unknown_keys_and_outcomes_that_the_graph_lacks_stay_missing() -> None:
    graph = graph_of(log(1))
    graph.seeds.item[graph.seeds.surface == 1] = -1
    names = [feature.name for feature in graph.schema.seeds.features]
    found = CHANGE(graph).seeds.numbers
    assert found[:, names.index("lately_exposures")].isnan().all()
    assert not found[:, names.index("plain_exposures")].isnan().any()
    edges = tuple(replace(edge, attributes=edge.attributes[1:]) for edge in graph.schema.edges)
    bare = {name: replace(edge, numbers=edge.numbers[:, :0]) for name, edge in graph.edges.items()}
    graph = replace(graph, schema=replace(graph.schema, edges=edges), edges=bare)
    assert CHANGE(graph).seeds.numbers[:, names.index("plain_share_rate")].isnan().all()


def test_a_surface_that_left_no_edge_knows_no_outcome_of_one() -> None:
    graph = graph_of(log(1))
    names = [feature.name for feature in graph.schema.seeds.features]
    found = replace(CHANGE, attribute="nothing")(graph).seeds.numbers
    assert found[:, names.index("plain_share_rate")].isnan().all()
    assert not found[:, names.index("plain_click_rate")].isnan().all()


def test_a_context_column_that_the_impressions_lack_is_an_error() -> None:
    counted = Counted(COUNTERS, (*CONTEXT, Exposures("secnds", ("member",), "seconds_log")))
    with pytest.raises(StudyError, match="expected features of the impressions; found secnds"):
        replace(CHANGE, counted=counted)(graph_of(log(1)))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"column": "seen", "keys": ["surface"], "says": "ever"}, "expected keys out of member and item"),
        ({"column": "seen", "keys": [], "says": "ever"}, "expected keys out of member and item"),
        ({"column": "seen", "keys": ["item"], "says": "once"}, "expected one of times_log, seconds_log, ever"),
        ({"column": "seen"}, "--context: expected an entry as its documentation says"),
        (1, "--context: expected an entry as its documentation says"),
    ],
)
def test_a_count_that_cannot_be_made_is_an_error(entry: object, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        counted_of(Namespace(context=json.dumps([entry]), counters="[]", spec=None))
