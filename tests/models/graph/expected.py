"""The expected choice of a strategy for one node, by plain comparison and lists."""

from dataclasses import dataclass

from models.graph.schema import EdgeType
from models.graph.store import TemporalGraph

Neighbour = tuple[int, int, float]
"""Target, time, weight."""
_ALL = 2**64


def visible(graph: TemporalGraph, name: str, node: int, time: int) -> list[Neighbour]:
    """The edges of a node strictly before ``time``, in order of the table."""
    edges, window = graph.edges[name], graph.schema.edge(name).window
    if node < 0:
        return []
    rows = slice(int(edges.offsets[node]), int(edges.offsets[node + 1]))
    target, moment = edges.target[rows].tolist(), edges.time[rows].tolist()
    weight = edges.weight[rows].tolist() if len(edges.weight) else [1.0] * len(target)
    found = zip(target, moment, weight, strict=True)
    return [one for one in found if one[1] < time and (window is None or time - one[1] <= window)]


@dataclass
class Numbers:
    """Random numbers in Python integers."""

    seed: int
    draw: int
    hop: int
    place: int
    node: int
    time: int

    def __getitem__(self, number: int) -> int:
        state = self.node + (self.place << 32) + (self.hop << 48)
        for part in (self.time, self.seed, self.draw):
            state = split_mix(state) + part
        return split_mix(split_mix(state) + (number + 1) * 0x9E3779B97F4A7C15) % 2**63


def split_mix(value: int) -> int:
    value %= _ALL
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % _ALL
    value = (value ^ value >> 27) * 0x94D049BB133111EB % _ALL
    return value ^ value >> 31


def chosen(edge: EdgeType, hop: int, found: list[Neighbour], weighed: bool, numbers: Numbers) -> list[Neighbour]:
    """As many of the visible edges as the fan-out says, by the edge type's strategy."""
    fan_out = edge.fan_out[hop]
    if edge.strategy == "most_recent":
        return found[::-1][:fan_out]
    by_weight = weighed and edge.strategy == "weighted"
    left = [(one, max(1, round(one[2] * 2**20)) if by_weight else 1) for one in found]
    taken = []
    for place in range(min(fan_out, len(found))):
        point = numbers[place] % sum(share for _, share in left)
        at = 0
        while point >= left[at][1]:
            point -= left[at][1]
            at += 1
        taken.append(left.pop(at)[0])
    return taken
