"""A tiny made-up graph in memory for tests, with ties in time, isolated and unknown nodes, and undefined labels."""

import numpy as np
import pyarrow as pa
import torch

from models.graph.arrays import edges_from_arrays
from models.graph.csr import csr_offsets
from models.graph.hashing import hash_keys
from models.graph.schema import (
    REVERSE,
    EdgeType,
    FeatureColumn,
    GraphSchema,
    NodeType,
    SeedSchema,
    TaskColumn,
    WindowSpan,
)
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds
from models.time_units import DAY as DAY
from models.time_units import HOUR as HOUR
from models.time_units import SECOND

START = 1_700_000_000 * SECOND // DAY * DAY
"""The start of the graph window."""
_DAYS = {"graph": 10, "train": 6, "validate": 2, "gate": 2, "test": 2}
_MEMBER_FEATURES = (
    FeatureColumn("seniority", "number"),
    FeatureColumn("connections", "number"),
    FeatureColumn("industry", "category", vocabulary=("finance", "health", "software")),
    FeatureColumn("interests", "vector", size=4),
)
_ITEM_FEATURES = (
    FeatureColumn("length", "number"),
    FeatureColumn("format", "category", vocabulary=("image", "text", "video")),
    FeatureColumn("topics", "vector", size=4),
)
_CLICK_ATTRIBUTES = (
    FeatureColumn("seconds", "number"),
    FeatureColumn("surface", "category", vocabulary=("email", "push")),
)
_SEED_FEATURES = (
    FeatureColumn("member_rate", "number"),
    FeatureColumn("item_rate", "number"),
    FeatureColumn("device", "category", vocabulary=("desktop", "phone")),
)


def fake_graph(members: int = 40, items: int = 60, seed: int = 0, impressions: int | None = None) -> TemporalGraph:
    """A graph of members, items and items // 4 + 1 creators over 22 days, with times at whole hours and so many ties.

    The last member and the last item have no edges; the item of every 25th impression is unknown (-1). Clicks are more
    likely if the member's ``seniority`` and the item's ``length`` have the same sign. The same ``seed`` gives the same
    graph. ``impressions`` None = 25 per member.
    """
    random = np.random.default_rng(seed)
    creators, count = items // 4 + 1, impressions or 25 * members
    schema = _schema(members, items, creators)
    end = schema.seeds.windows[-1].end

    taste, content = random.normal(size=members), random.normal(size=items)
    who, what = random.integers(0, max(members - 1, 1), count), random.integers(0, max(items - 1, 1), count)
    shown = np.sort(random.integers(START // HOUR, end // HOUR, count)) * HOUR
    settled = shown + random.integers(1, 4, count) * HOUR
    probability = 1 / (1 + np.exp(0.5 - 2.5 * np.sign(taste[who] * content[what])))
    click = random.random(count) < probability

    edges = _edges(schema, (who[click], what[click], settled[click]), random, seed)
    node_keys = {
        "member": pa.array(np.arange(members) * 7 + 3),
        "item": pa.array(np.arange(items) * 5 + 1),
        "creator": pa.array([f"creator {number:04d}" for number in range(creators)]),
    }
    nodes = {
        "member": _nodes(node_keys["member"], _MEMBER_FEATURES, taste, random),
        "item": _nodes(node_keys["item"], _ITEM_FEATURES, content, random),
        "creator": _nodes(node_keys["creator"], (), np.zeros(creators), random),
    }
    return TemporalGraph(
        schema=schema,
        edges=edges,
        nodes=nodes,
        seeds=_seeds(schema, who, what, shown, settled, click, random, seed),
        node_keys=node_keys,
    )


def _schema(members: int, items: int, creators: int) -> GraphSchema:
    edges = []
    for name, source, target, kind, domain, window in (
        ("clicked", "member", "item", "engagement", "notification", None),
        ("liked", "member", "item", "engagement", "feed", 8 * DAY),
        ("follows", "member", "creator", "affinity", "feed", None),
        ("authored", "creator", "item", "intrinsic", "network", None),
    ):
        attributes = _CLICK_ATTRIBUTES if name == "clicked" else ()
        for direction, ends, fan_out in ((name, (source, target), (4, 2)), (REVERSE + name, (target, source), (3, 2))):
            edges.append(EdgeType(direction, *ends, kind, domain, fan_out, window, attributes=attributes))  # type: ignore[arg-type]
    windows, start = [], START
    for name, days in _DAYS.items():
        windows.append(WindowSpan(name, start, start + days * DAY))
        start += days * DAY
    return GraphSchema(
        nodes=(
            NodeType("member", members, _MEMBER_FEATURES, id_buckets=64),
            NodeType("item", items, _ITEM_FEATURES, id_buckets=64),
            NodeType("creator", creators, (), id_buckets=16),
        ),
        edges=tuple(edges),
        activity_edges=("clicked", "liked"),
        seeds=SeedSchema(
            member="member",
            item="item",
            surfaces=("email", "push"),
            features=_SEED_FEATURES,
            tasks=(TaskColumn("click", 1.0, primary=True), TaskColumn("dwell", 0.5, primary=False)),
            timezone_offset=2 * HOUR,
            windows=tuple(windows),
        ),
    )


def _edges(
    schema: GraphSchema, clicked: tuple[np.ndarray, np.ndarray, np.ndarray], random: np.random.Generator, seed: int
) -> dict[str, EdgeTensors]:
    """All edge types in both directions; ``clicked``: members, items and times (clicks,) int64 of the clicks."""
    members, items, creators = (schema.node(name).count for name in ("member", "item", "creator"))
    end = schema.seeds.windows[-1].end

    def times(size: int) -> np.ndarray:
        return random.integers(START // HOUR, end // HOUR, size) * HOUR

    liked, followed = 8 * members, 3 * members
    ends = {
        "clicked": clicked,
        "liked": (
            random.integers(0, max(members - 1, 1), liked),
            random.integers(0, max(items - 1, 1), liked),
            times(liked),
        ),
        "follows": (
            random.integers(0, max(members - 1, 1), followed),
            random.integers(0, creators, followed),
            times(followed),
        ),
        "authored": (np.arange(items - 1) % creators, np.arange(items - 1), times(items - 1) // DAY * DAY - 5 * DAY),
    }
    edges: dict[str, EdgeTensors] = {}
    for name, (source, target, time) in ends.items():
        weight = random.random(len(time)).astype(np.float32) + 0.5
        edge = schema.edge(name)
        sources, targets = schema.node(edge.source).count, schema.node(edge.target).count
        # A separate generator: attributes were added later, and the other draws must stay as they were.
        numbers, categories = _attributes(edge.attributes, len(time), np.random.default_rng(seed + 1))
        edges[name], edges[REVERSE + name] = edges_from_arrays(
            source, target, time, weight, sources=sources, targets=targets, numbers=numbers, categories=categories
        )
    return edges


def _attributes(
    columns: tuple[FeatureColumn, ...], rows: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (rows, n) float64, a tenth of them missing, and category codes (rows, c) int64."""
    numbers = random.exponential(30.0, (rows, sum(column.kind == "number" for column in columns)))
    numbers[random.random(numbers.shape) < 0.1] = np.nan
    sizes = [len(column.vocabulary) + 1 for column in columns if column.kind == "category"]
    return numbers, random.integers(0, sizes, (rows, len(sizes)))


def _nodes(
    keys: pa.Array, features: tuple[FeatureColumn, ...], signal: np.ndarray, random: np.random.Generator
) -> NodeTensors:
    """Every tenth node has no version, the others one to three; the first number is ``signal`` (nodes,)."""
    count = len(keys)
    versions = (
        np.where(np.arange(count) % 10 == 9, 0, random.integers(1, 4, count)) if features else np.zeros(count, int)
    )
    owner = np.repeat(np.arange(count), versions)
    rows = len(owner)
    time = START + (random.integers(0, 20, rows) - 5) * DAY
    time = time[np.lexsort((time, owner))]
    numbers = random.normal(size=(rows, sum(f.kind == "number" for f in features)))
    if numbers.shape[1]:
        numbers[:, 1:][random.random(numbers[:, 1:].shape) < 0.1] = np.nan
        numbers[:, 0] = signal[owner]
    vocabularies = [len(f.vocabulary) for f in features if f.kind == "category"]
    categories = [random.integers(0, size + 1, rows) for size in vocabularies]
    size = sum(f.size for f in features if f.kind == "vector")
    return NodeTensors(
        id_hash=torch.from_numpy(hash_keys(keys)),
        version_offsets=csr_offsets(owner, count),
        version_time=torch.from_numpy(time),
        numbers=torch.from_numpy(numbers.astype(np.float32)),
        categories=torch.from_numpy(np.array(categories, np.int64).reshape(len(vocabularies), rows).T.copy()),
        vectors=torch.from_numpy(random.normal(size=(rows, size)).astype(np.float32)),
    )


def _seeds(
    schema: GraphSchema,
    who: np.ndarray,
    what: np.ndarray,
    shown: np.ndarray,
    settled: np.ndarray,
    click: np.ndarray,
    random: np.random.Generator,
    seed: int,
) -> Seeds:
    windows = schema.seeds.windows
    window = np.searchsorted([span.start for span in windows], shown, side="right") - 1
    rows = window > 0
    keys = np.flatnonzero(rows)
    who, what, shown, settled, click, window = (v[rows] for v in (who, what, shown, settled, click, window))
    count = len(shown)
    what = np.where(np.arange(count) % 25 == 24, -1, what)
    dwell = np.where(click, random.random(count) < 0.5, np.nan).astype(np.float32)
    numbers = random.random((count, 2)).astype(np.float32)
    numbers[random.random((count, 2)) < 0.1] = np.nan
    categories = random.integers(0, 3, (count, 1))
    frozen_time, frozen = _frozen(schema, window, shown, numbers, np.random.default_rng(seed + 2))
    return Seeds(
        member=torch.from_numpy(who),
        item=torch.from_numpy(what),
        surface=torch.from_numpy(random.integers(0, len(schema.seeds.surfaces), count)),
        time=torch.from_numpy(shown),
        settled=torch.from_numpy(settled),
        window=torch.from_numpy(window),
        numbers=torch.from_numpy(numbers),
        categories=torch.from_numpy(categories),
        labels=torch.from_numpy(np.stack([click.astype(np.float32), dwell], axis=1)),
        frozen_time=torch.from_numpy(frozen_time),
        frozen_numbers=torch.from_numpy(frozen),
        frozen_categories=torch.from_numpy(categories.copy()),
        cold=torch.zeros(count, dtype=torch.bool),
        keys=pa.array(keys),
        windows=tuple(span.name for span in windows),
    )


def _frozen(
    schema: GraphSchema, window: np.ndarray, shown: np.ndarray, numbers: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The frozen time of each seed (rows,), and its numbers (rows, 2) with the member's rate as of then.

    Train: one to 24 whole hours before the seed. Later windows: their start.
    """
    train = window == schema.seeds.windows.index(schema.window("train"))
    starts = np.array([span.start for span in schema.seeds.windows])
    moment = np.where(train, shown - random.integers(1, 25, len(shown)) * HOUR, starts[window])
    frozen = numbers.copy()
    frozen[:, 0] = np.where(train, random.random(len(shown)), 0.5)
    return moment, frozen
